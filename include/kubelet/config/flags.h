// The command line: pflag's syntax, every flag of kubelet 1.36, help and version.
// First step of the start: args -> CommandLine -> Load (config.h). Pure; thread safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/time.h"

namespace kubelet::config {

struct FlagSpec;

// Flags that are no field of KubeletConfiguration. (Those that are write into the message.)
struct Flags {
  std::string config;      // --config: file, empty for none
  std::string config_dir;  // --config-dir: drop-ins, empty for none
  std::string kubeconfig;  // empty: standalone mode
  std::string bootstrap_kubeconfig;
  std::string hostname_override;  // after Load trimmed and in lower case; empty: the host's name
  std::string node_ip;            // one IP or a dual-stack pair
  std::string cert_dir = "/var/lib/kubelet/pki";
  std::string cloud_provider;  // empty or `external`
  std::string root_dir = "/var/lib/kubelet";
  bool seccomp_default = false;  // Load ORs it into KubeletConfiguration.seccompDefault
  std::map<std::string, std::string> node_labels;
  std::string lock_file;
  bool exit_on_lock_contention = false;
  std::string runtime_cgroups;
  std::string image_credential_provider_config;
  std::string image_credential_provider_bin_dir;
  base::Nanos minimum_container_ttl{0};
  int32_t maximum_dead_containers_per_container = 1;
  int32_t maximum_dead_containers = -1;  // negative: no limit
  std::string experimental_mounter_path;
  bool allocatable_ignore_eviction = false;
  base::Nanos housekeeping_interval = std::chrono::seconds(10);
  base::Nanos max_housekeeping_interval = std::chrono::seconds(15);
  std::string local_objects_dir;  // ours: ConfigMaps and Secrets of static pods; empty for none
  std::string pod_logs_max_size;  // ours: a quantity; empty: no limit
  std::string reported_version;  // --version=vX.Y.Z…: what we say we are; empty: OwnVersion()
};

// One flag as it was given, in order; the value is text.
struct FlagSetting {
  const FlagSpec* spec = nullptr;
  std::string value;
};

struct CommandLine {
  std::vector<FlagSetting> settings;
  std::vector<std::string> deprecations;  // `Flag --x has been deprecated, …`, one for each use
  bool help = false;
  std::string version;  // not empty: print this line and leave with 0
};

// Syntax, names and values. InvalidArgument with pflag's text for the first thing that is wrong,
// such as `unknown flag: --x`. `args` is without the program's name. Arguments that are no flags
// are an error: subcommands are the caller's to take away first.
absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& args);

// All flags by group, wrapped at 100 columns; and the two lines that follow a wrong command line.
std::string HelpText();
std::string UsageText();

// `v1.36.2+cpp.0.1.0`: the Kubernetes release that is reproduced, and this program's own version.
std::string OwnVersion();

}  // namespace kubelet::config
