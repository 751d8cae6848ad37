// Pods out of short YAML.
#pragma once

#include <string>

#include "catch.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/types.h"

namespace kubelet::test {

// `spec` is the YAML of a PodSpec.
inline api::core::Pod PodOf(const std::string& spec, const std::string& uid = "1-2") {
  api::core::Pod pod;
  auto status = api::DecodeYaml(spec, *pod.mutable_spec());
  INFO(status);
  REQUIRE(status.ok());
  pod.mutable_metadata()->set_name("web");
  pod.mutable_metadata()->set_namespace_("shop");
  pod.mutable_metadata()->set_uid(uid);
  return pod;
}

}  // namespace kubelet::test
