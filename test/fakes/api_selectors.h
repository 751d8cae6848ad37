// Field and label selectors of lists and watches.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "fakes/api_kinds.h"

namespace kubelet::fakes {

class ApiSelector {
 public:
  // `field`: `spec.nodeName=n1,status.phase!=Failed`. `label`: `a=b,c!=d,e in (x,y),f notin
  // (z),g,!h`. BadRequest (400) for text that is none, and for a field that the kind cannot be
  // selected by.
  static absl::StatusOr<ApiSelector> Parse(const ApiKind& kind, const std::string& field,
                                           const std::string& label);
  bool Matches(const Object& object) const;
  // The value of a `metadata.name=` requirement; empty when there is none.
  std::string name() const;

 private:
  struct Requirement {
    std::string key;
    enum class Op { kIn, kNotIn, kExists, kAbsent } op = Op::kIn;
    std::vector<std::string> values;
  };
  static bool Matches(const Requirement& requirement, const std::string* value);
  static absl::Status ParseFields(const ApiKind& kind, const std::string& text,
                                  std::vector<Requirement>& out);
  static absl::Status ParseLabels(const std::string& text, std::vector<Requirement>& out);

  std::vector<Requirement> fields_, labels_;
};

}  // namespace kubelet::fakes
