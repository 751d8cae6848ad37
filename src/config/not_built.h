// Configuration whose capability does not exist yet. Take a name out when its capability is built.
#pragma once

#include <string>
#include <vector>

namespace kubelet::config {

struct NotBuiltField {
  const char* path;                 // JSON path
  const char* off_value = nullptr;  // a value that asks for nothing, so that it is no news
  const char* missing = nullptr;    // what does not happen, where a part is built
};
const std::vector<NotBuiltField>& NotBuiltFields();
const std::vector<std::string>& NotBuiltFlags();  // flags that are no field, without dashes

}  // namespace kubelet::config
