// What is asked of a configuration while the process runs: its flags for /flagz, and how it differs
// from one that was read again. Pure; thread safe.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kubelet/config/config.h"

namespace kubelet::config {

// Header values of the manifest URL, and a password in it, become `<masked>`.
void MaskSecrets(v1beta1::KubeletConfiguration& config);

// Every flag by its name with the value in force, masked.
std::map<std::string, std::string> FlagValues(const LoadedConfig& loaded);

// JSON paths of the fields that differ; and taking one of them over.
std::vector<std::string> ChangedFields(const v1beta1::KubeletConfiguration& a,
                                       const v1beta1::KubeletConfiguration& b);
void CopyField(const v1beta1::KubeletConfiguration& from, v1beta1::KubeletConfiguration& to,
               const std::string& path);

}  // namespace kubelet::config
