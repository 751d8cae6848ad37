#include "kubelet/client/node_objects.h"

#include "absl/strings/numbers.h"
#include "k8s/node/v1/node.pb.h"

namespace kubelet::client {
namespace {

namespace core = api::core;
namespace nodev1 = ::k8s::io::api::node::v1;

Reflector::Options NodeOptions(const std::string& name) {
  Reflector::Options options;
  options.path.resource = kNodes;
  options.field_selector = "metadata.name=" + name;
  options.item = &core::Node::default_instance();
  options.list = &core::NodeList::default_instance();
  return options;
}

Reflector::Options ClassOptions() {
  Reflector::Options options;
  options.path.resource = kRuntimeClasses;
  options.item = &nodev1::RuntimeClass::default_instance();
  options.list = &nodev1::RuntimeClassList::default_instance();
  return options;
}

template <typename Function>
Collection::Hooks Both(Function changed) {
  Collection::Hooks hooks;
  hooks.on_change = [changed](const std::string&, const std::string&) { changed(false); };
  hooks.on_relist = [changed] { changed(true); };
  hooks.on_synced = [changed] { changed(false); };
  return hooks;
}

}  // namespace

NodeWatch::NodeWatch(Reflector::Deps deps, std::string name)
    : name_(std::move(name)),
      nodes_(std::move(deps), NodeOptions(name_), Both([this](bool relisted) {
               if (changed_) changed_(Get(), relisted);
             })) {}

void NodeWatch::Start(std::function<void(NodePtr, bool)> changed) {
  changed_ = std::move(changed);
  nodes_.Start();
}

NodeWatch::NodePtr NodeWatch::Get() const {
  return std::static_pointer_cast<const core::Node>(nodes_.Find("", name_));
}

std::optional<base::Nanos> NodeWatch::ObjectTtl() const {
  NodePtr node = Get();
  if (!node) return std::nullopt;
  auto it = node->metadata().annotations().find("node.alpha.kubernetes.io/ttl");
  int64_t seconds = 0;
  if (it == node->metadata().annotations().end() || !absl::SimpleAtoi(it->second, &seconds)) {
    return std::nullopt;
  }
  return std::chrono::seconds(seconds);
}

RuntimeClasses::RuntimeClasses(Reflector::Deps deps)
    : classes_(std::move(deps), ClassOptions(), Collection::Hooks()) {}

base::Task<absl::StatusOr<std::string>> RuntimeClasses::Handler(std::string name,
                                                                base::Nanos timeout) {
  if (name.empty()) co_return std::string();
  classes_.Start();
  bool synced = co_await classes_.WaitSynced(timeout);
  auto found = std::static_pointer_cast<const nodev1::RuntimeClass>(classes_.Find("", name));
  if (found) co_return found->handler();
  if (!synced) {
    co_return absl::UnavailableError("failed to lookup RuntimeClass " + name +
                                     ": the classes have not been read yet");
  }
  co_return absl::NotFoundError("runtimeclass.node.k8s.io \"" + name + "\" not found");
}

}  // namespace kubelet::client
