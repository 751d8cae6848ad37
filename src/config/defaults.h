// Defaults of KubeletConfiguration in 1.36. Pure; idempotent.
#pragma once

#include <map>
#include <string>

#include "kubelet/config/v1beta1/config.pb.h"

namespace kubelet::config {

// Fills what is unset. Some defaults hang on gates: `gates` are those of the command line, the
// configuration's own win over them; names that are unknown count as off here and are reported by
// validation.
void SetDefaults(v1beta1::KubeletConfiguration& config,
                 const std::map<std::string, bool>& gates = {});

// What a kubelet without --config and --config-dir starts from: the defaults, with the open
// authentication, authorisation and read-only port of the time before configuration files.
v1beta1::KubeletConfiguration LegacyDefaults(const std::map<std::string, bool>& gates = {});

// Hard eviction thresholds of Linux. They are no default of the field: only a --config file brings
// them.
const std::map<std::string, std::string>& DefaultEvictionHard();

// After a --config file was read: all of them when the file did not have the field, those that are
// missing with mergeDefaultEvictionSettings.
void InjectEvictionHard(v1beta1::KubeletConfiguration& config, bool file_has_field);

}  // namespace kubelet::config
