#include "resource/device_checkpoint.h"

#include <absl/strings/escaping.h>

#include <boost/json.hpp>
#include <charconv>

#include "kubelet/base/hash.h"
#include "kubelet/base/status.h"

namespace kubelet::resource {
namespace {

namespace json = boost::json;

absl::Status Bad(const std::string& what) { return absl::InvalidArgumentError(what); }

json::value ToJson(const std::vector<std::string>& ids) {
  json::array out;
  for (const auto& id : ids) out.emplace_back(id);
  return out;
}

// Upstream has no list at all when there are no entries.
json::object DataOf(const DeviceCheckpoint& checkpoint) {
  json::value entries = nullptr;
  if (!checkpoint.entries.empty()) entries = json::array();
  for (const auto& entry : checkpoint.entries) {
    json::object ids;
    for (const auto& [node, list] : entry.ids) ids[std::to_string(node)] = ToJson(list);
    std::string response;
    absl::Base64Escape(absl::string_view(entry.response.data(), entry.response.size()), &response);
    json::object out;
    out["PodUID"] = entry.pod_uid;
    out["ContainerName"] = entry.container;
    out["ResourceName"] = entry.resource;
    out["DeviceIDs"] = std::move(ids);
    out["AllocResp"] = response;
    entries.as_array().push_back(std::move(out));
  }
  json::object registered;
  for (const auto& [resource, ids] : checkpoint.registered) registered[resource] = ToJson(ids);
  json::object data;
  data["PodDeviceEntries"] = std::move(entries);
  data["RegisteredDevices"] = std::move(registered);
  return data;
}

const json::value& Field(const json::object& object, const char* name) {
  static const json::value kNull;
  const auto* value = object.if_contains(name);
  return value == nullptr ? kNull : *value;
}

absl::StatusOr<std::string> StringOf(const json::object& object, const char* name) {
  const auto& value = Field(object, name);
  if (value.is_null()) return std::string();
  if (!value.is_string()) return Bad(std::string(name) + " is no string");
  return std::string(value.as_string());
}

absl::StatusOr<std::vector<std::string>> ListOf(const json::value& value, const std::string& name) {
  std::vector<std::string> out;
  if (value.is_null()) return out;
  if (!value.is_array()) return Bad(name + " is no list");
  for (const auto& item : value.as_array()) {
    if (!item.is_string()) return Bad(name + " has an item that is no string");
    out.emplace_back(item.as_string());
  }
  return out;
}

absl::StatusOr<std::map<int64_t, std::vector<std::string>>> IdsOf(const json::value& value) {
  std::map<int64_t, std::vector<std::string>> out;
  if (value.is_null()) return out;
  if (!value.is_object()) return Bad("DeviceIDs is no object");
  for (const auto& item : value.as_object()) {
    std::string key(item.key());
    int64_t node = 0;
    auto end = std::from_chars(key.data(), key.data() + key.size(), node);
    if (end.ec != std::errc() || end.ptr != key.data() + key.size())
      return Bad("DeviceIDs has the key \"" + key + "\", which is no number");
    ASSIGN_OR_RETURN(out[node], ListOf(item.value(), "DeviceIDs"));
  }
  return out;
}

absl::StatusOr<DeviceCheckpoint> Parse(const json::object& data) {
  DeviceCheckpoint out;
  const auto& entries = Field(data, "PodDeviceEntries");
  if (!entries.is_null() && !entries.is_array()) return Bad("PodDeviceEntries is no list");
  for (size_t i = 0; entries.is_array() && i < entries.as_array().size(); ++i) {
    const auto& item = entries.as_array()[i];
    if (!item.is_object()) return Bad("PodDeviceEntries has an item that is no object");
    const auto& object = item.as_object();
    DeviceCheckpoint::Entry entry;
    ASSIGN_OR_RETURN(entry.pod_uid, StringOf(object, "PodUID"));
    ASSIGN_OR_RETURN(entry.container, StringOf(object, "ContainerName"));
    ASSIGN_OR_RETURN(entry.resource, StringOf(object, "ResourceName"));
    ASSIGN_OR_RETURN(entry.ids, IdsOf(Field(object, "DeviceIDs")));
    ASSIGN_OR_RETURN(std::string base64, StringOf(object, "AllocResp"));
    if (!absl::Base64Unescape(absl::string_view(base64.data(), base64.size()), &entry.response))
      return Bad("AllocResp is no base64");
    out.entries.push_back(std::move(entry));
  }
  const auto& registered = Field(data, "RegisteredDevices");
  if (!registered.is_null() && !registered.is_object())
    return Bad("RegisteredDevices is no object");
  for (size_t i = 0; registered.is_object() && i < registered.as_object().size(); ++i) {
    const auto& item = *(registered.as_object().begin() + i);
    ASSIGN_OR_RETURN(out.registered[std::string(item.key())],
                     ListOf(item.value(), "RegisteredDevices"));
  }
  return out;
}

std::string DumpList(const json::value& value) {
  if (!value.is_array()) return "<nil>";
  std::string out;
  for (const auto& item : value.as_array())
    out += (out.empty() ? "" : " ") + std::string(item.as_string());
  return "[" + out + "]";
}

template <typename Key>
std::string DumpMap(const std::map<Key, std::string>& map) {
  std::string out;
  for (const auto& [key, value] : map) {
    std::string name;
    if constexpr (std::is_same_v<Key, std::string>) {
      name = key;
    } else {
      name = std::to_string(key);
    }
    out += (out.empty() ? "" : " ") + name + ":" + value;
  }
  return "map[" + out + "]";
}

std::string DumpBytes(const json::value& value) {
  if (!value.is_string()) return "<nil>";
  std::string bytes, out;
  const auto& text = value.as_string();
  absl::Base64Unescape(absl::string_view(text.data(), text.size()), &bytes);
  for (char c : bytes)
    out += (out.empty() ? "" : " ") + std::to_string(static_cast<unsigned char>(c));
  return "[" + out + "]";
}

std::string DumpEntry(const json::object& entry) {
  auto text = [&](const char* name) {
    const auto& value = Field(entry, name);
    return value.is_string() ? std::string(value.as_string()) : std::string();
  };
  std::string ids = "<nil>";
  if (const auto& value = Field(entry, "DeviceIDs"); value.is_object()) {
    std::map<int64_t, std::string> lists;
    for (const auto& item : value.as_object())
      lists[std::strtoll(std::string(item.key()).c_str(), nullptr, 10)] = DumpList(item.value());
    ids = DumpMap(lists);
  }
  return "{PodUID:(string)" + text("PodUID") + " ContainerName:(string)" + text("ContainerName") +
         " ResourceName:(string)" + text("ResourceName") +
         " DeviceIDs:(checkpoint.DevicesPerNUMA)" + ids + " AllocResp:([]uint8)" +
         DumpBytes(Field(entry, "AllocResp")) + "}";
}

// Of the document, since what is absent in it shows: null is not an empty list.
std::string Dump(const json::object& data) {
  std::string entries = "<nil>";
  if (const auto& value = Field(data, "PodDeviceEntries"); value.is_array()) {
    entries.clear();
    for (const auto& item : value.as_array())
      entries += (entries.empty() ? "" : " ") + DumpEntry(item.as_object());
    entries = "[" + entries + "]";
  }
  std::string registered = "<nil>";
  if (const auto& value = Field(data, "RegisteredDevices"); value.is_object()) {
    std::map<std::string, std::string> lists;
    for (const auto& item : value.as_object())
      lists[std::string(item.key())] = DumpList(item.value());
    registered = DumpMap(lists);
  }
  return "(checkpoint.checkpointData){PodDeviceEntries:([]checkpoint.PodDevicesEntry)" + entries +
         " RegisteredDevices:(map[string][]string)" + registered + "}";
}

}  // namespace

std::string DumpOf(const DeviceCheckpoint& checkpoint) { return Dump(DataOf(checkpoint)); }

std::string EncodeDeviceCheckpoint(const DeviceCheckpoint& checkpoint) {
  json::object data = DataOf(checkpoint);
  json::object file;
  uint32_t checksum = base::Fnv1a32(Dump(data));
  file["Data"] = std::move(data);
  file["Checksum"] = checksum;
  return json::serialize(file);
}

absl::StatusOr<DeviceCheckpoint> DecodeDeviceCheckpoint(const std::string& text) {
  json::error_code error;
  json::value file = json::parse(text, error);
  if (error) return Bad("the file is no JSON: " + error.message());
  if (!file.is_object() || !Field(file.as_object(), "Data").is_object())
    return Bad("`Data` is missing");
  const auto& data = Field(file.as_object(), "Data").as_object();
  ASSIGN_OR_RETURN(DeviceCheckpoint out, Parse(data));
  json::error_code no_number;
  const auto& sum = Field(file.as_object(), "Checksum");
  auto number = sum.is_number() ? sum.to_number<uint64_t>(no_number) : 0;
  if (!sum.is_number() || no_number) return Bad("`Checksum` is missing");
  uint32_t own = base::Fnv1a32(Dump(data));
  if (number != own)
    return Bad("the checksum is " + std::to_string(number) + ", the data's is " +
               std::to_string(own));
  return out;
}

}  // namespace kubelet::resource
