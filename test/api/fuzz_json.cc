// Any bytes as the JSON of a pod, of a list and of the configuration: never a crash, and what is
// accepted comes back.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "k8s/core/v1/config.pb.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/types.h"
#include "kubelet/config/v1beta1/config.pb.h"

namespace {

template <typename M>
void Check(std::string_view json) {
  namespace api = kubelet::api;
  std::vector<std::string> warnings;
  api::DecodeOptions options;
  options.strict = true;
  options.warnings = &warnings;
  M first;
  if (!api::DecodeJson(json, first, options).ok()) return;
  std::string text = api::EncodeJson(first);
  M second;
  warnings.clear();
  if (!api::DecodeJson(text, second, options).ok() || !warnings.empty()) std::abort();
  if (api::EncodeJson(second) != text) std::abort();
  api::EncodeOptions pretty;
  pretty.pretty = true;
  M third;
  if (!api::DecodeJson(api::EncodeJson(second, pretty), third, options).ok()) std::abort();
  if (api::EncodeJson(third) != text) std::abort();
  M fourth;
  if (!api::DecodeProtobuf(api::EncodeProtobuf(first), fourth).ok()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view json(reinterpret_cast<const char*>(data), size);
  Check<kubelet::api::core::Pod>(json);
  Check<kubelet::api::core::PodList>(json);
  Check<kubelet::api::core::Secret>(json);
  Check<kubelet::config::v1beta1::KubeletConfiguration>(json);
  return 0;
}
