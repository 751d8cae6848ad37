// Flags that upstream does not have. Data only.
#include "config/flag_table.h"

namespace kubelet::config {

const std::vector<FlagSpec>& OwnFlags() {
  static const auto* flags = new std::vector<FlagSpec>{
      {"local-objects-dir", 0, FlagType::kString, FlagGroup::kSources, FlagStatus::kCurrent,
       &Flags::local_objects_dir, "",
       "directory of ConfigMaps and Secrets (YAML or JSON) that static pods may read, live; an "
       "addition of this kubelet"},
  };
  return *flags;
}

}  // namespace kubelet::config
