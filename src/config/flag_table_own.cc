// Flags that upstream does not have. Data only.
#include "config/flag_table.h"

namespace kubelet::config {

const std::vector<FlagSpec>& OwnFlags() {
  static const auto* flags = new std::vector<FlagSpec>{
      {"local-objects-dir", 0, FlagType::kString, FlagGroup::kSources, FlagStatus::kCurrent,
       &Flags::local_objects_dir, "",
       "directory of ConfigMaps and Secrets (YAML or JSON) that static pods may read, live; an "
       "addition of this kubelet"},
      {"pod-logs-max-size", 0, FlagType::kString, FlagGroup::kRuntime, FlagStatus::kCurrent,
       &Flags::pod_logs_max_size, "",
       "what the logs of all containers of a pod may take together, such as 100Mi: beyond it the "
       "oldest rotated ones go; an addition of this kubelet"},
  };
  return *flags;
}

}  // namespace kubelet::config
