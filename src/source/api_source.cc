#include "kubelet/source/api_source.h"

#include <boost/asio/post.hpp>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "source/api_pods.h"

namespace kubelet::source {
namespace {

using client::MessagePtr;

// The reflector decodes each object for its sink alone: this is the first that sees it.
ApiPods::MutablePod Own(const MessagePtr& message) {
  return std::const_pointer_cast<api::core::Pod>(
      std::static_pointer_cast<const api::core::Pod>(message));
}

class ApiSource : public PodSource {
 public:
  ApiSource(const std::string& node_name, ApiSourceDeps deps)
      : deps_(std::move(deps)),
        pods_(deps_.clock),
        reflector_({deps_.executor, deps_.clock, deps_.api, deps_.traits}, Options(node_name),
                   MakeSink()) {}

  void Start() override { reflector_.Start(); }
  base::Task<void> Stop() override {
    alive_.reset();
    co_await reflector_.Stop();
  }
  const std::string& name() const override {
    static const std::string kName = kApiSource;
    return kName;
  }
  std::vector<Problem> problems() const override {
    if (health_.ok()) return {};
    Problem problem;
    problem.severity = Problem::Severity::kWarning;
    problem.origin = "API server";
    problem.text = base::Message(health_);
    problem.since = since_;
    problem.kept = pods_.listed();
    return {problem};
  }

 private:
  static client::Reflector::Options Options(const std::string& node_name) {
    client::Reflector::Options options;
    options.path.resource = client::kPods;
    options.field_selector = "spec.nodeName=" + node_name;
    options.item = &api::core::Pod::default_instance();
    options.list = &api::core::PodList::default_instance();
    return options;
  }

  client::Reflector::Sink MakeSink() {
    client::Reflector::Sink sink;
    sink.on_list = [this](std::vector<MessagePtr> messages) { OnList(messages); };
    sink.on_set = [this](MessagePtr message) {
      auto pod = pods_.Set(Own(message));
      if (deps_.tap.on_set) deps_.tap.on_set(pod);
      // A forced deletion is two events, and the second has no grace period.
      if (pods_.TakeSooner() && alive_) return Deliver();
      DeliverSoon();
    };
    sink.on_removed = [this](MessagePtr message) {
      auto last = pods_.Remove(static_cast<const api::core::Pod&>(*message));
      if (!last) return;
      if (deps_.tap.on_removed) deps_.tap.on_removed(last);
      DeliverSoon();
    };
    sink.on_health = [this](const absl::Status& health) {
      if (health_.ok() != health.ok()) since_ = deps_.clock.Now();
      health_ = health;
      if (deps_.on_health) deps_.on_health(health);
    };
    return sink;
  }

  void OnList(const std::vector<MessagePtr>& messages) {
    std::vector<ApiPods::MutablePod> pods;
    for (const auto& message : messages) pods.push_back(Own(message));
    if (!pods_.listed()) LOG_INFO("Pods of this node were listed", "count", pods.size());
    auto all = pods_.Replace(pods);
    if (deps_.tap.on_list) deps_.tap.on_list(all);
    DeliverSoon();
  }

  // A burst of events becomes one snapshot: what else lies in the socket is taken in first.
  void DeliverSoon() {
    if (posted_ || !alive_) return;
    posted_ = true;
    boost::asio::post(deps_.executor, [this, weak = std::weak_ptr<bool>(alive_)] {
      if (weak.expired()) return;
      posted_ = false;
      Deliver();
    });
  }

  void Deliver() {
    // Events may come before the first list has been told in full.
    if (!pods_.listed()) return;
    if (pods_.TakeMirrorsChanged() && deps_.on_mirrors) deps_.on_mirrors(pods_.Mirrors());
    if (!pods_.TakePodsChanged()) return;
    Snapshot snapshot;
    snapshot.source = kApiSource;
    snapshot.pods = pods_.Pods();
    deps_.on_snapshot(snapshot);
  }

  ApiSourceDeps deps_;
  ApiPods pods_;
  absl::Status health_;
  base::WallTime since_;
  bool posted_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  client::Reflector reflector_;
};

}  // namespace

std::unique_ptr<PodSource> MakeApiSource(const std::string& node_name, ApiSourceDeps deps) {
  return std::make_unique<ApiSource>(node_name, std::move(deps));
}

}  // namespace kubelet::source
