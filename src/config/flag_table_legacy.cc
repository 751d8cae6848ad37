// Statistics flags; most are accepted and ignored as upstream does, and are to go with its next
// removal. Data only.
#include "config/flag_table.h"

namespace kubelet::config {

const std::vector<FlagSpec>& LegacyFlags() {
  static const auto* flags = new std::vector<FlagSpec>{
      {"application-metrics-count-limit", 0, FlagType::kInt32, FlagGroup::kLegacy,
       FlagStatus::kCadvisor, std::monostate{}, "100", "unused"},
      {"boot-id-file", 0, FlagType::kString, FlagGroup::kLegacy, FlagStatus::kCadvisor,
       std::monostate{}, "/proc/sys/kernel/random/boot_id", "boot id files"},
      {"container-hints", 0, FlagType::kString, FlagGroup::kLegacy, FlagStatus::kCadvisor,
       std::monostate{}, "/etc/cadvisor/container_hints.json", "hints file"},
      {"containerd", 0, FlagType::kString, FlagGroup::kLegacy, FlagStatus::kCadvisor,
       std::monostate{}, "/run/containerd/containerd.sock", "containerd endpoint for cAdvisor"},
      {"containerd-namespace", 0, FlagType::kString, FlagGroup::kLegacy, FlagStatus::kCadvisor,
       std::monostate{}, "k8s.io", "containerd namespace for cAdvisor"},
      {"enable-load-reader", 0, FlagType::kBool, FlagGroup::kLegacy, FlagStatus::kCadvisor,
       std::monostate{}, "false", "cpu load reader"},
      {"event-storage-age-limit", 0, FlagType::kString, FlagGroup::kLegacy, FlagStatus::kCadvisor,
       std::monostate{}, "default=0", "cAdvisor event age"},
      {"event-storage-event-limit", 0, FlagType::kString, FlagGroup::kLegacy, FlagStatus::kCadvisor,
       std::monostate{}, "default=0", "cAdvisor event count"},
      {"global-housekeeping-interval", 0, FlagType::kDuration, FlagGroup::kLegacy,
       FlagStatus::kCadvisor, std::monostate{}, "1m0s", "global housekeeping"},
      {"housekeeping-interval", 0, FlagType::kDuration, FlagGroup::kLegacy, FlagStatus::kCurrent,
       &Flags::housekeeping_interval, "", "container statistics period"},
      {"log-cadvisor-usage", 0, FlagType::kBool, FlagGroup::kLegacy, FlagStatus::kCadvisor,
       std::monostate{}, "false", "log usage"},
      {"machine-id-file", 0, FlagType::kString, FlagGroup::kLegacy, FlagStatus::kCadvisor,
       std::monostate{}, "/etc/machine-id,/var/lib/dbus/machine-id", "machine id files"},
      {"max-housekeeping-interval", 0, FlagType::kDuration, FlagGroup::kLegacy,
       FlagStatus::kCurrent, &Flags::max_housekeeping_interval, "",
       "largest container statistics period"},
      {"storage-driver-buffer-duration", 0, FlagType::kDuration, FlagGroup::kLegacy,
       FlagStatus::kCadvisor, std::monostate{}, "1m0s", "unused"},
      {"storage-driver-db", 0, FlagType::kString, FlagGroup::kLegacy, FlagStatus::kCadvisor,
       std::monostate{}, "cadvisor", "unused"},
      {"storage-driver-host", 0, FlagType::kString, FlagGroup::kLegacy, FlagStatus::kCadvisor,
       std::monostate{}, "localhost:8086", "unused"},
      {"storage-driver-password", 0, FlagType::kString, FlagGroup::kLegacy, FlagStatus::kCadvisor,
       std::monostate{}, "root", "unused"},
      {"storage-driver-secure", 0, FlagType::kBool, FlagGroup::kLegacy, FlagStatus::kCadvisor,
       std::monostate{}, "false", "unused"},
      {"storage-driver-table", 0, FlagType::kString, FlagGroup::kLegacy, FlagStatus::kCadvisor,
       std::monostate{}, "stats", "unused"},
      {"storage-driver-user", 0, FlagType::kString, FlagGroup::kLegacy, FlagStatus::kCadvisor,
       std::monostate{}, "root", "unused"},
  };
  return *flags;
}

}  // namespace kubelet::config
