#include "status/writer_entry.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <charconv>

#include "kubelet/api/pod.h"
#include "status/merge.h"

namespace kubelet::status {
namespace {

uint64_t Number(const std::string& text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

}  // namespace

ServerView ViewOf(const api::core::Pod& pod) {
  ServerView view;
  view.uid = pod.metadata().uid();
  view.version = Number(pod.metadata().resource_version());
  SerializeTo(pod.status(), view.status);
  view.ready = IsReady(pod.status());
  view.terminal = IsTerminal(pod.status().phase());
  view.deleting = pod.metadata().has_deletion_timestamp();
  view.mirror = api::IsMirror(pod);
  return view;
}

std::string KeyOf(const api::core::Pod& pod) {
  return api::IsMirror(pod) ? api::StaticUidOf(pod) : pod.metadata().uid();
}

void SerializeTo(const api::core::PodStatus& status, std::string& out) {
  out.clear();
  google::protobuf::io::StringOutputStream stream(&out);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  status.SerializePartialToCodedStream(&coded);
}

api::core::PodStatus ParseStatus(const std::string& bytes) {
  api::core::PodStatus status;
  status.ParsePartialFromString(bytes);
  return status;
}

}  // namespace kubelet::status
