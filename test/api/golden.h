// The Kubernetes test data: one filled object of each kind as JSON, YAML and protobuf. It is not
// part of the project; KUBELET_SHARED names its directory, else it is looked for beside the source
// tree.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "kubelet/api/options.pb.h"

namespace kubelet::api::test {

// Files of one form (".json", ".pb", ".yaml"), sorted; none when the data is absent.
inline std::vector<std::filesystem::path> GoldenFiles(const std::string& extension) {
  const char* shared = std::getenv("KUBELET_SHARED");
  std::filesystem::path dir =
      shared != nullptr ? shared : std::string(KUBELET_SOURCE_DIR) + "/../shared";
  // A checkout may lie one level deeper than the main one.
  if (!std::filesystem::exists(dir / "golden"))
    dir = std::string(KUBELET_SOURCE_DIR) + "/../../shared";
  std::vector<std::filesystem::path> files;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(dir / "golden", none)) {
    if (entry.path().extension() == extension) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

inline std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Every message of our own .proto files, in the order of the files.
inline std::vector<const google::protobuf::Descriptor*> ApiTypes() {
  std::vector<std::string> names;
  std::filesystem::path root = std::filesystem::path(KUBELET_SOURCE_DIR) / "proto";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().extension() == ".proto")
      names.push_back(std::filesystem::relative(entry.path(), root));
  }
  std::sort(names.begin(), names.end());
  std::vector<const google::protobuf::Descriptor*> types;
  for (const std::string& name : names) {
    if (name.rfind("cri/", 0) == 0) continue;
    const auto* file = google::protobuf::DescriptorPool::generated_pool()->FindFileByName(name);
    for (int i = 0; file != nullptr && i < file->message_type_count(); ++i)
      types.push_back(file->message_type(i));
  }
  return types;
}

inline std::unique_ptr<google::protobuf::Message> NewMessage(
    const google::protobuf::Descriptor* type) {
  return std::unique_ptr<google::protobuf::Message>(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

// An empty object of the kind, or null when we have no message for it.
inline std::unique_ptr<google::protobuf::Message> NewKind(const std::string& version,
                                                          const std::string& name) {
  for (const auto* type : ApiTypes()) {
    const auto& options = type->options();
    if (!options.HasExtension(api_version)) continue;
    const std::string& mine = options.GetExtension(api_version);
    if (type->name() == name && (mine == version || mine == "*")) return NewMessage(type);
  }
  return nullptr;
}

}  // namespace kubelet::api::test
