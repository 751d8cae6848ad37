#include <boost/json.hpp>
#include <cstdio>

#include "kubelet/api/codec.h"
#include "kubelet/base/hash.h"
#include "kubelet/base/status.h"
#include "kubelet/resource/allocation_file.h"

namespace kubelet::resource {
namespace {

namespace json = boost::json;
using api::core::ResourceRequirements;

// As Go's encoding/json writes a string.
std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || c == '<' || c == '>' || c == '&') {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", byte);
      out += escape;
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string DataOf(const AllocationMap& pods) {
  std::string entries;
  for (const auto& [uid, pod] : pods) {
    std::string containers;
    for (const auto& [name, resources] : pod.containers) {
      containers +=
          (containers.empty() ? "" : ",") + Quoted(name) + ":" + api::EncodeJson(resources);
    }
    entries +=
        (entries.empty() ? "" : ",") + Quoted(uid) + ":{\"ContainerResources\":{" + containers +
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

absl::StatusOr<json::value> ParseJson(const std::string& text, const char* what) {
  json::error_code error;
  json::value value = json::parse(text, error);
  if (error) return Bad(std::string(what) + " is no JSON: " + error.message());
  if (!value.is_object()) return Bad(std::string(what) + " is no JSON object");
  return value;
}

}  // namespace

std::string EncodeAllocations(const AllocationMap& pods) {
  std::string data = DataOf(pods);
  return "{\"data\":" + Quoted(data) + ",\"checksum\":" + std::to_string(Checksum(data)) + "}";
}

absl::StatusOr<AllocationMap> DecodeAllocations(const std::string& text) {
  ASSIGN_OR_RETURN(json::value file, ParseJson(text, "the file"));
  const auto* data = file.as_object().if_contains("data");
  const auto* sum = file.as_object().if_contains("checksum");
  if (data == nullptr || !data->is_string()) return Bad("`data` is missing");
  json::error_code error;
  auto number = sum == nullptr ? uint64_t{0} : sum->to_number<uint64_t>(error);
  if (sum == nullptr || error) return Bad("`checksum` is missing");
  std::string inner(data->as_string());
  if (number != Checksum(inner))
    return Bad("the checksum is " + std::to_string(number) + ", the data's is " +
               std::to_string(Checksum(inner)));
  ASSIGN_OR_RETURN(json::value content, ParseJson(inner, "`data`"));
  AllocationMap pods;
  const auto* entries = content.as_object().if_contains("entries");
  if (entries == nullptr || !entries->is_object()) return pods;
  for (const auto& item : entries->as_object()) {
    ASSIGN_OR_RETURN(pods[std::string(item.key())], ParsePod(item.value()));
  }
  return pods;
}

}  // namespace kubelet::resource
