// What help, manual pages and completion share.
#pragma once

#include <string>
#include <vector>

#include "config/flag_table.h"

namespace kubelet::config {

struct FlagGroupTitle {
  FlagGroup group;
  const char* title;
};
// In the order of the help text.
const std::vector<FlagGroupTitle>& FlagGroupTitles();

// The default as text, empty for zero values (as pflag shows it). Of a flag that is a field: that
// of a start without configuration file.
std::string ShownDefault(const FlagSpec& spec);

}  // namespace kubelet::config
