// Static pods for tests, in one line each.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kubelet/api/pod.h"

namespace kubelet::test {

struct PodSpec {
  std::string name = "web";
  std::string uid = "u1";
  std::string image = "image:1";
  std::string policy = "Always";
  std::vector<std::string> containers = {"c"};
  std::vector<std::string> init;
  std::vector<std::string> sidecars;
  std::string source = "file";
  std::string pull = "IfNotPresent";
  int64_t grace = 30;
};

inline api::PodPtr MakePod(const PodSpec& want) {
  auto pod = std::make_shared<api::core::Pod>();
  auto* meta = pod->mutable_metadata();
  meta->set_name(want.name);
  meta->set_namespace_("ns");
  meta->set_uid(want.uid);
  (*meta->mutable_annotations())[api::kConfigSource] = want.source;
  (*meta->mutable_annotations())[api::kConfigHash] = want.uid;
  auto* spec = pod->mutable_spec();
  spec->set_restart_policy(want.policy);
  spec->set_termination_grace_period_seconds(want.grace);
  auto fill = [&](api::core::Container* c, const std::string& name) {
    c->set_name(name);
    c->set_image(want.image);
    c->set_image_pull_policy(want.pull);
    c->set_termination_message_path("/dev/termination-log");
  };
  for (const auto& name : want.containers) fill(spec->add_containers(), name);
  for (const auto& name : want.init) fill(spec->add_init_containers(), name);
  for (const auto& name : want.sidecars) {
    auto* c = spec->add_init_containers();
    fill(c, name);
    c->set_restart_policy("Always");
  }
  return pod;
}

}  // namespace kubelet::test
