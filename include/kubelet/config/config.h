// From a command line to the configuration the process runs with:
// defaults -> --config -> --config-dir -> defaults again -> command line -> gates -> validation.
// Used once before the core loop starts; blocking file reads, no state, thread safe.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/log.h"
#include "kubelet/config/feature_gates.h"
#include "kubelet/config/file_reader.h"
#include "kubelet/config/flags.h"
#include "kubelet/config/v1beta1/config.pb.h"

namespace kubelet::config {

struct LoadedConfig {
  v1beta1::KubeletConfiguration kubelet;  // defaults filled, valid
  Flags flags;
  FeatureGates gates;
  std::vector<std::string> warnings;     // for the log, once
  std::vector<std::string> unsupported;  // NotBuiltYet of this configuration
};

// InvalidArgument lists every problem, one a line, with file and field. Other codes are those of
// reading files.
//
// Deviations from upstream: with --config-dir alone the legacy defaults (anonymous access,
// AlwaysAllow, port 10255) do not apply; unknown fields of drop-ins are warned of; every problem is
// reported, not the first.
absl::StatusOr<LoadedConfig> Load(const CommandLine& command_line, const FileReader& files);

// The same for main: prints help and version to `out`, deprecations, errors and usage to `err`.
// Returns the exit code when the process is to end now, nullopt when `loaded` was filled.
std::optional<int> LoadOrExit(const std::vector<std::string>& args, const FileReader& files,
                              std::ostream& out, std::ostream& err, LoadedConfig& loaded);

// Flags, fields and feature gates that differ from their default and ask for what this version does
// not do, such as `podCIDR (--pod-cidr)`, `--runtime-cgroups`, `featureGates.PodsAPI: what it is` or
// `featureGates.WatchListClient=false: what goes on all the same`. The caller warns of them once, in
// one record.
std::vector<std::string> NotBuiltYet(const LoadedConfig& loaded);

// `kubelet config check FILE...`: every problem of every file as `file:line: field: message`, line
// and field where they are known. Files are told apart by kind; KubeletConfiguration is known. 0
// when all are good, otherwise 1.
int CheckFiles(const std::vector<std::string>& files, const FileReader& reader, std::ostream& out);
int CheckFiles(const std::vector<std::string>& files, std::ostream& out);

// The configuration in force as one line of JSON; header values of the manifest URL and a password
// in it are
// `<masked>`.
std::string DumpEffective(const LoadedConfig& loaded);

// What base::SetLogOptions takes.
base::LogOptions LoggingOptions(const v1beta1::KubeletConfiguration& config);

}  // namespace kubelet::config
