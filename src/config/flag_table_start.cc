// Flags of the start itself and of the node object. Data only.
#include "config/flag_table.h"

namespace kubelet::config {

const std::vector<FlagSpec>& StartFlags() {
  static const auto* flags = new std::vector<FlagSpec>{
      {"bootstrap-kubeconfig", 0, FlagType::kString, FlagGroup::kStart, FlagStatus::kCurrent,
       &Flags::bootstrap_kubeconfig, "",
       "used to obtain a client cert when --kubeconfig file is missing/expired"},
      {"cert-dir", 0, FlagType::kString, FlagGroup::kStart, FlagStatus::kCurrent, &Flags::cert_dir,
       "", "directory for self-signed/rotated certs"},
      {"cloud-provider", 0, FlagType::kString, FlagGroup::kNode, FlagStatus::kCurrent,
       &Flags::cloud_provider, "", "empty or external (others rejected)"},
      {"config", 0, FlagType::kString, FlagGroup::kStart, FlagStatus::kCurrent, &Flags::config, "",
       "path of KubeletConfiguration file (JSON/YAML); flags override it"},
      {"config-dir", 0, FlagType::kString, FlagGroup::kStart, FlagStatus::kCurrent,
       &Flags::config_dir, "",
       "directory tree of *.conf drop-ins, lexical walk, JSON merge patch over --config; flags "
       "still win"},
      {"exit-on-lock-contention", 0, FlagType::kBool, FlagGroup::kStart, FlagStatus::kCurrent,
       &Flags::exit_on_lock_contention, "",
       "exit when another process opens the lock file; needs --lock-file"},
      {"fail-cgroupv1", 0, FlagType::kBool, FlagGroup::kStart, FlagStatus::kCurrent, "failCgroupV1",
       "", "refuse to start on cgroup v1"},
      {"fail-swap-on", 0, FlagType::kBool, FlagGroup::kStart, FlagStatus::kUseConfigFile,
       "failSwapOn", "", "refuse to start with swap on"},
      {"feature-gates", 0, FlagType::kMapStringBool, FlagGroup::kStart, FlagStatus::kUseConfigFile,
       "featureGates", "", "name=bool list"},
      {"help", 'h', FlagType::kHelp, FlagGroup::kStart, FlagStatus::kCurrent, std::monostate{}, "",
       "this text"},
      {"hostname-override", 0, FlagType::kString, FlagGroup::kNode, FlagStatus::kCurrent,
       &Flags::hostname_override, "",
       "node name/hostname instead of os hostname (trimmed, lower-cased)"},
      {"kubeconfig", 0, FlagType::kString, FlagGroup::kStart, FlagStatus::kCurrent,
       &Flags::kubeconfig, "", "kubeconfig path; absent = standalone mode"},
      {"lock-file", 0, FlagType::kString, FlagGroup::kStart, FlagStatus::kCurrent,
       &Flags::lock_file, "", "flock path (alpha)"},
      {"max-pods", 0, FlagType::kInt32, FlagGroup::kNode, FlagStatus::kUseConfigFile, "maxPods", "",
       "max pods"},
      {"node-ip", 0, FlagType::kString, FlagGroup::kNode, FlagStatus::kCurrent, &Flags::node_ip, "",
       "node IP or dual-stack pair; 0.0.0.0/:: pick family"},
      {"node-labels", 0, FlagType::kLabels, FlagGroup::kNode, FlagStatus::kCurrent,
       &Flags::node_labels, "",
       "k=v list added at registration; kubernetes.io/k8s.io keys restricted to allowed "
       "set/prefixes"},
      {"node-status-max-images", 0, FlagType::kInt32, FlagGroup::kNode, FlagStatus::kUseConfigFile,
       "nodeStatusMaxImages", "", "images in node status, -1 all"},
      {"node-status-update-frequency", 0, FlagType::kDuration, FlagGroup::kNode,
       FlagStatus::kUseConfigFile, "nodeStatusUpdateFrequency", "", "node status compute period"},
      {"pods-per-core", 0, FlagType::kInt32, FlagGroup::kNode, FlagStatus::kUseConfigFile,
       "podsPerCore", "", "pods per core cap"},
      {"provider-id", 0, FlagType::kString, FlagGroup::kNode, FlagStatus::kCurrent, "providerID",
       "", "node.spec.providerID at registration"},
      {"register-node", 0, FlagType::kBool, FlagGroup::kNode, FlagStatus::kUseConfigFile,
       "registerNode", "", "self-register"},
      {"register-with-taints", 0, FlagType::kTaints, FlagGroup::kNode, FlagStatus::kUseConfigFile,
       "registerWithTaints", "", "taints at registration key=value:effect"},
      {"root-dir", 0, FlagType::kString, FlagGroup::kStart, FlagStatus::kCurrent, &Flags::root_dir,
       "", "state directory (must be clean path)"},
      {"runonce", 0, FlagType::kBool, FlagGroup::kStart, FlagStatus::kUseConfigFile, "runOnce", "",
       "must be false: upstream removed this mode"},
      {"version", 0, FlagType::kVersion, FlagGroup::kStart, FlagStatus::kCurrent, std::monostate{},
       "false",
       "print \"Kubernetes <version>\" and exit; raw prints more; --version=vX.Y.Z changes the "
       "reported version"},
  };
  return *flags;
}

}  // namespace kubelet::config
