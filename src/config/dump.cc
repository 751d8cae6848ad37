#include "config/text.h"
#include "kubelet/api/codec.h"
#include "kubelet/config/live_fields.h"

namespace kubelet::config {
namespace {

constexpr char kMasked[] = "<masked>";

// https://user:secret@host -> https://user:<masked>@host
std::string MaskPassword(const std::string& url) {
  size_t begin = url.find("://");
  if (begin == std::string::npos) return url;
  begin += 3;
  size_t authority_end = std::min(url.find_first_of("/?#", begin), url.size());
  size_t at = url.rfind('@', authority_end);
  size_t colon = url.find(':', begin);
  if (at == std::string::npos || at < begin || colon == std::string::npos || colon > at) return url;
  return url.substr(0, colon + 1) + kMasked + url.substr(at);
}

}  // namespace

void MaskSecrets(v1beta1::KubeletConfiguration& config) {
  for (auto& [name, values] : *config.mutable_static_pod_url_header()) {
    values.clear_items();
    values.add_items(kMasked);
  }
  if (config.has_static_pod_url()) config.set_static_pod_url(MaskPassword(config.static_pod_url()));
}

std::string DumpEffective(const LoadedConfig& loaded) {
  v1beta1::KubeletConfiguration config = loaded.kubelet;
  MaskSecrets(config);
  return api::EncodeJson(config);
}

base::LogOptions LoggingOptions(const v1beta1::KubeletConfiguration& config) {
  base::LogOptions options;
  options.verbosity = static_cast<int>(config.logging().verbosity());
  options.format = config.logging().format();
  std::vector<std::string> patterns;
  for (const v1beta1::VModuleItem& item : config.logging().vmodule()) {
    patterns.push_back(item.file_pattern() + "=" + std::to_string(item.verbosity()));
  }
  options.vmodule = Join(patterns, ",");
  return options;
}

}  // namespace kubelet::config
