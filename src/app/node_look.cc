#include "app/node_look.h"

#include <cstdlib>

#include "kubelet/base/log.h"
#include "kubelet/client/resource.h"

namespace kubelet::app {

namespace {

constexpr base::Nanos kTimeout = std::chrono::seconds(10);

uint64_t VersionOf(const api::core::Node& node) {
  return std::strtoull(node.metadata().resource_version().c_str(), nullptr, 10);
}

}  // namespace

NodeLook::NodeLook(base::Executor executor, client::Api& api, std::string node_name,
                   std::function<void()> judge_again)
    : api_(api),
      node_name_(std::move(node_name)),
      judge_again_(std::move(judge_again)),
      scope_(std::move(executor)) {}

bool NodeLook::Doubts(const std::string& uid) {
  auto [it, fresh] = doubts_.try_emplace(uid, false);
  if (it->second) return false;
  // What is being read now may be older than the pod.
  if (fresh && !std::exchange(reading_, true)) scope_.Spawn("read the node", Read());
  return true;
}

NodeLook::NodePtr NodeLook::Newest(NodePtr known) const {
  bool newer = read_ && (!known || VersionOf(*read_) > VersionOf(*known));
  return newer ? read_ : known;
}

base::Task<void> NodeLook::Read() {
  for (bool more = true; more;) {
    auto asking = doubts_;
    auto node = std::make_shared<api::core::Node>();
    client::Call call;
    call.path = {client::kNodes, "", node_name_};
    call.timeout = kTimeout;
    auto status = co_await api_.Do(std::move(call), node.get());
    if (status.ok()) {
      read_ = node;
    } else {
      LOG_WARNING("Cannot read the node; pods are judged by what is known of it", "err", status);
    }
    for (const auto& [uid, answered] : asking) doubts_[uid] = true;
    judge_again_();
    for (const auto& [uid, answered] : asking) doubts_.erase(uid);
    more = !doubts_.empty();
  }
  reading_ = false;
}

}  // namespace kubelet::app
