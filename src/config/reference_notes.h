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
// Gates of upstream's kubelet whose capability is always there, as at their default, and what it
// is. They are not asked, so one that is switched off is named at the start.
struct AlwaysOnGate {
  const char* name;
  const char* text;
  bool switches = true;  // false: upstream does the same with either value
};
const std::vector<AlwaysOnGate>& GatesAlwaysOn();
// Gates of upstream's kubelet whose capability is not there. `field`: it is as soon as that one is
// no longer among NotBuiltFields. All gates in no list are of other components.
struct MissingGate {
  const char* name;
  const char* text;
  const char* field = nullptr;
};
const std::vector<MissingGate>& GatesNotBuilt();
// By its field: what only a gate speaks of is not built.
bool IsBuilt(const MissingGate& gate);

}  // namespace kubelet::config
