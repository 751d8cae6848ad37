// Short ways to decode and encode in tests.
#pragma once

#include <string>

#include "catch.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/types.h"
#include "kubelet/base/status.h"
#include "kubelet/config/v1beta1/config.pb.h"

namespace kubelet::api::test {

using google::protobuf::Message;
using Config = ::kubelet::config::v1beta1::KubeletConfiguration;

// The message of the error, empty when there is none.
inline std::string Error(const std::string& json, Message& out, bool strict = false) {
  DecodeOptions options;
  options.strict = strict;
  absl::Status status = DecodeJson(json, out, options);
  if (!status.ok()) CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  return base::Message(status);
}

inline std::string PodError(const std::string& json) {
  core::Pod pod;
  return Error(json, pod);
}

inline core::Pod Pod(const std::string& json) {
  core::Pod pod;
  INFO(json);
  REQUIRE(Error(json, pod) == "");
  return pod;
}

template <typename M>
M Decoded(const std::string& json) {
  M message;
  INFO(json);
  REQUIRE(Error(json, message) == "");
  return message;
}

inline std::string Bare(const Message& message) {
  EncodeOptions options;
  options.type_meta = false;
  return EncodeJson(message, options);
}

}  // namespace kubelet::api::test
