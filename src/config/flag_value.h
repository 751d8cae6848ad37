// From the text of a flag to the field or member it stands for.
#pragma once

#include <set>
#include <string>

#include "absl/status/status.h"
#include "config/flag_table.h"
#include "kubelet/config/v1beta1/config.pb.h"

namespace kubelet::config {

// One pass over a command line. Lists and maps: the first use in the pass replaces what was there,
// later ones add to it, as pflag does. Both targets outlive the writer.
class FlagWriter {
 public:
  FlagWriter(Flags& flags, v1beta1::KubeletConfiguration& config)
      : flags_(flags), config_(config) {}

  // InvalidArgument says what is wrong with the value, without the name of the flag.
  absl::Status Write(const FlagSpec& spec, const std::string& value);

 private:
  absl::Status WriteField(const FlagSpec& spec, const std::string& path, const std::string& value,
                          bool first);
  absl::Status WriteMember(const FlagSpec& spec, const std::string& value);
  absl::Status WriteMap(const FlagSpec& spec, const std::string& path, const std::string& value,
                        bool first);
  absl::Status WriteStrings(const std::string& path, const std::string& value, bool first);
  absl::Status WriteVersion(const std::string& value);

  Flags& flags_;
  v1beta1::KubeletConfiguration& config_;
  std::set<const FlagSpec*> given_;
};

// The structured values, written to their one field.
absl::Status WriteHeaders(v1beta1::KubeletConfiguration& config, const std::string& value,
                          bool first);
absl::Status WriteTaints(v1beta1::KubeletConfiguration& config, const std::string& value);
absl::Status WriteReservedMemory(v1beta1::KubeletConfiguration& config, const std::string& value,
                                 bool first);
// Adds to the patterns of the configuration file, unlike every other list (upstream).
absl::Status WriteVModule(v1beta1::KubeletConfiguration& config, const std::string& value);

}  // namespace kubelet::config
