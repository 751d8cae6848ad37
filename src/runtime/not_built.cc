#include "kubelet/runtime/config.h"

namespace kubelet::runtime {
namespace {

using ContainerSpec = api::core::Container;

void LookAt(const ContainerSpec& c, const std::string& path, std::vector<std::string>& out) {
  if (c.resources().claims_size() > 0) out.push_back(path + ".resources.claims");
}

}  // namespace

std::vector<std::string> NotBuiltYet(const api::core::Pod& pod) {
  const auto& spec = pod.spec();
  std::vector<std::string> out;
  for (int i = 0; i < spec.init_containers_size(); ++i) {
    LookAt(spec.init_containers(i), "spec.initContainers[" + std::to_string(i) + "]", out);
  }
  for (int i = 0; i < spec.containers_size(); ++i) {
    LookAt(spec.containers(i), "spec.containers[" + std::to_string(i) + "]", out);
  }
  return out;
}

}  // namespace kubelet::runtime
