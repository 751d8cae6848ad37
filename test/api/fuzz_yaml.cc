// Any bytes through the YAML reader: no crash, and what is accepted is JSON that is YAML and JSON
// again.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/yaml_emit.h"
#include "kubelet/api/codec.h"

namespace {

void Require(bool good, const char* what, const std::string& json) {
  if (good) return;
  std::fprintf(stderr, "%s: %s\n", what, json.c_str());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto json = kubelet::api::YamlToJson({reinterpret_cast<const char*>(data), size});
  if (!json.ok()) return 0;
  // Fails on everything that is not JSON.
  auto yaml = kubelet::api::JsonToYaml(*json);
  Require(yaml.ok(), "not JSON", *json);
  auto again = kubelet::api::YamlToJson(*yaml);
  // Aliases and long texts can take the written form over the limits of the reader.
  if (!again.ok()) return 0;
  auto third = kubelet::api::JsonToYaml(*again);
  Require(third.ok() && *third == *yaml, "value changed", *json + "\n" + *again);
  return 0;
}
