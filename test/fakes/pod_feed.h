// What a kubelet sees of the pods in a MemoryApi: a list, then one event after the other, then a
// list again when the watch broke. The least that a reflector does, for tests of those who are fed
// by one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fakes/memory_api.h"
#include "kubelet/api/types.h"

namespace kubelet::test {

class PodFeed {
 public:
  struct Sink {
    std::function<void(std::vector<api::PodPtr>)> on_list;
    std::function<void(api::PodPtr)> on_set, on_removed;
    std::function<void()> on_back;  // it can list again
  };
  PodFeed(base::Executor executor, base::Clock& clock, MemoryApi& api, Sink sink)
      : clock_(clock), api_(api), sink_(std::move(sink)), scope_(executor) {
    scope_.Spawn("feed", Run());
  }

 private:
  base::Task<void> Run() {
    for (;;) {
      base::Task<void> once = Once();
      co_await std::move(once);
      co_await base::SleepFor(clock_, std::chrono::milliseconds(300));
    }
  }
  base::Task<void> Once() {
    client::Call list;
    list.verb = client::Call::Verb::kList;
    api::core::PodList pods;
    base::Task<absl::Status> listing = api_.Do(std::move(list), &pods);
    absl::Status listed = co_await std::move(listing);
    if (!listed.ok()) co_return;
    std::vector<api::PodPtr> all;
    for (auto& pod : pods.items()) all.push_back(std::make_shared<const api::core::Pod>(pod));
    sink_.on_list(std::move(all));
    if (sink_.on_back) sink_.on_back();
    client::ObjectPath path;
    std::vector<std::pair<std::string, std::string>> query;
    query.emplace_back("resourceVersion", pods.metadata().resource_version());
    auto opening =
        api_.Watch(std::move(path), std::move(query), &api::core::Pod::default_instance());
    auto stream = co_await std::move(opening);
    while (stream.ok()) {
      auto waiting = (*stream)->Next();
      auto event = co_await std::move(waiting);
      if (!event.ok()) co_return;
      auto pod = std::dynamic_pointer_cast<const api::core::Pod>(
          std::shared_ptr<const google::protobuf::Message>(event->object));
      if (event->type == client::WatchEvent::Type::kDeleted) {
        sink_.on_removed(std::move(pod));
      } else {
        sink_.on_set(std::move(pod));
      }
    }
  }

  base::Clock& clock_;
  MemoryApi& api_;
  Sink sink_;
  base::TaskScope scope_;
};

}  // namespace kubelet::test
