// The objects of MemoryApi and what the verbs of the API do to them, without faults, waiting or
// watches.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kubelet/client/api.h"

namespace kubelet::test {

using Query = std::vector<std::pair<std::string, std::string>>;
std::string Param(const Query& query, const std::string& key);

absl::Status ApiFailure(int code, const std::string& reason, const std::string& message);
absl::Status Expired();  // 410

// What a list or a watch selects. Field selectors: any path to a string, with = == != and commas.
struct Selection {
  std::string kind, namespace_, fields;
  bool Takes(const google::protobuf::Message& object) const;
};
Selection SelectionOf(const client::ObjectPath& path, const Query& query);

struct MemoryStore {
  struct Change {
    uint64_t version;
    std::string kind;
    // `before` null: created. `after` null: removed, and `before` is its last state.
    client::MessagePtr before, after;
  };

  explicit MemoryStore(base::Clock& c) : clock(c) {}

  absl::Status Execute(const client::Call& call, google::protobuf::Message* out);
  absl::Status Delete(const client::Call& call, google::protobuf::Message* out);
  client::MessagePtr Stored(const client::ObjectPath& path) const;
  client::MessagePtr Put(client::ObjectPath collection, const google::protobuf::Message& object);

  base::Clock& clock;
  std::function<void()> on_change;
  std::map<std::string, std::map<std::string, client::MessagePtr>> objects;  // kind, ns/name
  std::deque<Change> history;
  uint64_t version = 100;
  uint64_t compacted = 0;
  int page_size = 0;

 private:
  using Message = google::protobuf::Message;
  absl::Status Get(const client::Call& call, Message* out);
  absl::Status List(const client::Call& call, Message* out);
  absl::Status Create(const client::Call& call, Message* out);
  absl::Status Update(const client::Call& call, Message* out);
  absl::Status Patch(const client::Call& call, Message* out);
  absl::Status Commit(const client::ObjectPath& path, const client::MessagePtr& before,
                      std::shared_ptr<Message> after, Message* out);
  void Store(const std::string& kind, client::MessagePtr before, std::shared_ptr<Message> after);
  void Erase(const std::string& kind, const Message& last);
  void FillIn(Message& object);
  uint64_t serial_ = 0;
};

std::string KindKey(const client::Resource& resource);

}  // namespace kubelet::test
