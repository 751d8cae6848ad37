// What the reference says beyond the tables that parse and check. Data only.
#pragma once

#include <string>
#include <vector>

namespace kubelet::config {

struct Note {
  const char* name;  // --flag or JSON path
  const char* text;
};

// What a field is for, where no flag says it.
const std::vector<Note>& FieldHelp();

// Accepted without effect, for good: upstream has none either, or it is about parts that do not
// exist here.
const std::vector<Note>& NoEffect();

// Values that end the start with an error. `value` is one of them (the tests try it).
struct Refusal {
  const char* name;
  const char* value;
  bool every_value;    // nothing but the default is left
  const char* reason;  // empty where the help says it
};
const std::vector<Refusal>& Refusals();

// Gates that switch something here, and what.
const std::vector<Note>& GatesInUse();
// Gates that upstream's kubelet asks and this one does not. All others are of other components.
const std::vector<const char*>& GatesNotAsked();

}  // namespace kubelet::config
