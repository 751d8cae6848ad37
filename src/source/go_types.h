// The Go types behind a pod, as far as a dump of one shows them: names and types of fields in their
// order, for the internal version of the API (pkg/apis/core/types.go and the apimachinery types
// that it uses, 1.36). Nothing here is known from the wire schema: internal and v1 types differ.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kubelet::source {

struct GoField {
  std::string_view name;  // HostPath
  std::string_view type;  // *core.HostPathVolumeSource
  std::string key;        // of the v1 JSON form: hostPath
  bool inlined = false;   // its own fields stand in the JSON object of the parent
  bool of_spec = false;   // the v1 form has it in the pod's spec (host namespaces)
};

// An index over a constant text, cheap to make and to throw away: nothing is kept between pods.
class GoTypes {
 public:
  GoTypes();
  // Fields of a struct; nullopt for a type that is none, or whose inside is not in the table (time,
  // quantity, int-or-string, raw fields).
  std::optional<std::vector<GoField>> Fields(std::string_view type) const;

 private:
  std::map<std::string_view, std::string_view> structs_;
};

}  // namespace kubelet::source
