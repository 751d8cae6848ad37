// A small machine and its options, for the tests of this room.
#pragma once

#include <string>

#include "kubelet/node/node_status.h"

namespace kubelet::test {

inline node::NodeFacts SomeFacts() {
  node::NodeFacts facts;
  facts.machine.cpus = 4;
  facts.machine.memory_bytes = int64_t{8'000'000} * 1024;
  facts.machine.boot_id = "boot-1";
  facts.machine.machine_id = "machine-1";
  facts.machine.system_uuid = "uuid-1";
  facts.machine.kernel_version = "6.1.0";
  facts.machine.os_image = "Some Linux 12";
  facts.root_fs_bytes = int64_t{100'000'000} * 1024;
  facts.addresses = std::vector<std::string>{"10.0.0.1"};
  facts.runtime_name = "containerd";
  facts.runtime_version = "2.1.0";
  facts.handlers = {{"", true, false}, {"runc", true, true}};
  facts.supplemental_groups_policy = true;
  facts.images = {{"i1", {"a@sha256:1"}, {"a:1"}, 100}};
  return facts;
}

inline node::NodeOptions SomeOptions() {
  node::NodeOptions options;
  options.name = "n1";
  options.hostname = "n1";
  options.kubelet_version = "v1.36.2";
  return options;
}

}  // namespace kubelet::test
