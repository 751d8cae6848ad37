#include <boost/json.hpp>

#include "kubelet/api/codec.h"
#include "kubelet/base/hash.h"
#include "kubelet/base/status.h"
#include "kubelet/resource/allocation_file.h"
#include "resource/go_json.h"

namespace kubelet::resource {
namespace {

namespace json = boost::json;
using api::core::ResourceRequirements;

std::string DataOf(const AllocationMap& pods) {
  std::string entries;
  for (const auto& [uid, pod] : pods) {
    std::string containers;
    for (const auto& [name, resources] : pod.containers) {
      containers +=
          (containers.empty() ? "" : ",") + GoQuoted(name) + ":" + api::EncodeJson(resources);
    }
    entries +=
        (entries.empty() ? "" : ",") + GoQuoted(uid) + ":{\"ContainerResources\":{" + containers +
        "},\"PodLevelResources\":" + (pod.pod_level ? api::EncodeJson(*pod.pod_level) : "null") +
        "}";
  }
  return entries.empty() ? "{}" : "{\"entries\":{" + entries + "}}";
}

uint32_t Checksum(const std::string& data) { return base::Fnv1a32("(string)" + data); }

absl::Status Bad(const std::string& what) { return absl::InvalidArgumentError(what); }

absl::StatusOr<ResourceRequirements> ParseResources(const json::value& value) {
  ResourceRequirements out;
  RETURN_IF_ERROR(api::DecodeJson(json::serialize(value), out));
  return out;
}

absl::StatusOr<PodAllocation> ParsePod(const json::value& value) {
  PodAllocation pod;
  if (!value.is_object()) return Bad("an entry is no object");
  if (const auto* all = value.as_object().if_contains("ContainerResources");
      all != nullptr && all->is_object()) {
    for (const auto& item : all->as_object()) {
      ASSIGN_OR_RETURN(pod.containers[std::string(item.key())], ParseResources(item.value()));
    }
  }
  const auto* level = value.as_object().if_contains("PodLevelResources");
  if (level != nullptr && !level->is_null()) {
    ASSIGN_OR_RETURN(auto resources, ParseResources(*level));
    pod.pod_level = std::move(resources);
  }
  return pod;
}

}  // namespace

std::string EncodeAllocations(const AllocationMap& pods) {
  std::string data = DataOf(pods);
  return "{\"data\":" + GoQuoted(data) + ",\"checksum\":" + std::to_string(Checksum(data)) + "}";
}

absl::StatusOr<AllocationMap> DecodeAllocations(const std::string& text) {
  ASSIGN_OR_RETURN(json::object file, ParseObject(text, "the file"));
  const auto* data = file.if_contains("data");
  const auto* sum = file.if_contains("checksum");
  if (data == nullptr || !data->is_string()) return Bad("`data` is missing");
  json::error_code error;
  auto number = sum == nullptr ? uint64_t{0} : sum->to_number<uint64_t>(error);
  if (sum == nullptr || error) return Bad("`checksum` is missing");
  std::string inner(data->as_string());
  if (number != Checksum(inner))
    return Bad("the checksum is " + std::to_string(number) + ", the data's is " +
               std::to_string(Checksum(inner)));
  ASSIGN_OR_RETURN(json::object content, ParseObject(inner, "`data`"));
  AllocationMap pods;
  const auto* entries = content.if_contains("entries");
  if (entries == nullptr || !entries->is_object()) return pods;
  for (const auto& item : entries->as_object()) {
    ASSIGN_OR_RETURN(pods[std::string(item.key())], ParsePod(item.value()));
  }
  return pods;
}

}  // namespace kubelet::resource
