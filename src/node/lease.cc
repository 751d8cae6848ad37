#include "node/lease.h"

#include <algorithm>

#include "kubelet/api/time.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::node {

using base::Task;
using client::Call;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {
constexpr int kRenewTries = 5;
constexpr double kJitter = 0.04;
constexpr base::Nanos kFirstPause = milliseconds(200);
constexpr base::Nanos kMaxPause = seconds(7);
}  // namespace

LeaseKeeper::LeaseKeeper(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      wake_(deps_.executor, deps_.clock),
      scope_(deps_.executor) {}

void LeaseKeeper::Start() { scope_.Spawn("node lease", Run()); }

Task<void> LeaseKeeper::Stop() { return scope_.Stop(); }

void LeaseKeeper::NodeKnown() {
  if (waits_for_node_) wake_.Notify();
}

void LeaseKeeper::ServerBack() {
  if (backs_off_) wake_.Notify();
}

Task<void> LeaseKeeper::Run() {
  for (;;) {
    co_await Sync();
    double stretch = 1 + kJitter * deps_.random();
    auto pause =
        base::Nanos(static_cast<int64_t>(static_cast<double>(interval().count()) * stretch));
    co_await wake_.Wait(deps_.clock.Mono() + pause);
  }
}

Task<void> LeaseKeeper::Sync() {
  if (latest_) {
    Outcome outcome = co_await Renew();
    if (outcome == Outcome::kRenewed) co_return;
  }
  bool created = false;
  bool there = co_await Ensure(created);
  if (there && !created) co_await Renew();
}

Task<LeaseKeeper::Outcome> LeaseKeeper::Renew() {
  absl::Status last;
  for (int i = 0; i < kRenewTries; ++i) {
    Call call = MakeCall(Call::Verb::kUpdate);
    call.body = std::make_shared<coordination::Lease>(Renewed(*latest_));
    coordination::Lease answer;
    auto status = co_await deps_.api.Do(std::move(call), &answer);
    if (status.ok()) {
      latest_ = std::move(answer);
      co_return Outcome::kRenewed;
    }
    last = status;
    if (absl::IsNotFound(status)) {
      latest_.reset();
      co_return Outcome::kMissing;
    }
    if (absl::IsAborted(status)) {
      bool created = false;
      bool there = co_await Ensure(created);
      if (!there) co_return Outcome::kMissing;
      if (created) co_return Outcome::kRenewed;
      continue;
    }
    if (i > 0 && !client::ErrorOf(status) && deps_.on_unreachable) deps_.on_unreachable();
  }
  LOG_WARNING("Cannot renew the lease of the node", "node", options_.node_name, "err",
              base::Message(last));
  co_return Outcome::kFailed;
}

Task<bool> LeaseKeeper::Ensure(bool& created) {
  for (base::Nanos pause = kFirstPause;; pause = std::min(2 * pause, kMaxPause)) {
    auto status = co_await GetOrCreate(created);
    if (status.ok()) co_return true;
    if (waits_for_node_) co_return false;
    LOG_WARNING("Cannot ensure the lease of the node; trying again", "node", options_.node_name,
                "after", base::GoDuration(pause), "err", base::Message(status));
    backs_off_ = true;
    bool early = co_await wake_.Wait(deps_.clock.Mono() + pause);
    backs_off_ = false;
    if (early) pause = kFirstPause / 2;
  }
}

Task<absl::Status> LeaseKeeper::GetOrCreate(bool& created) {
  waits_for_node_ = false;
  coordination::Lease answer;
  Call get = MakeCall(Call::Verb::kGet);
  auto status = co_await deps_.api.Do(std::move(get), &answer);
  if (absl::IsNotFound(status)) {
    latest_.reset();
    // Without an owner it would outlive the Node.
    waits_for_node_ = deps_.node_uid().empty();
    if (waits_for_node_) co_return absl::FailedPreconditionError("the Node is not known yet");
    coordination::Lease fresh;
    fresh.mutable_metadata()->set_name(options_.node_name);
    fresh.mutable_metadata()->set_namespace_("kube-node-lease");
    fresh.mutable_spec()->set_holder_identity(options_.node_name);
    Call create = MakeCall(Call::Verb::kCreate);
    create.path.name.clear();
    create.body = std::make_shared<coordination::Lease>(Renewed(fresh));
    answer.Clear();
    status = co_await deps_.api.Do(std::move(create), &answer);
    created = status.ok();
  }
  if (status.ok()) latest_ = std::move(answer);
  co_return status;
}

Call LeaseKeeper::MakeCall(Call::Verb verb) const {
  Call call;
  call.verb = verb;
  call.path.resource = client::kLeases;
  call.path.namespace_ = "kube-node-lease";
  call.path.name = options_.node_name;
  call.lane = client::Lane::kHeartbeat;
  call.timeout = interval();
  call.retry = false;
  return call;
}

coordination::Lease LeaseKeeper::Renewed(const coordination::Lease& base) const {
  coordination::Lease lease = base;
  auto& spec = *lease.mutable_spec();
  spec.set_lease_duration_seconds(static_cast<int32_t>(
      std::chrono::duration_cast<std::chrono::seconds>(options_.duration).count()));
  *spec.mutable_renew_time() = api::ToMicroTime(deps_.clock.Now());
  std::string uid = deps_.node_uid();
  if (lease.metadata().owner_references_size() == 0 && !uid.empty()) {
    auto* owner = lease.mutable_metadata()->add_owner_references();
    owner->set_api_version("v1");
    owner->set_kind("Node");
    owner->set_name(options_.node_name);
    owner->set_uid(uid);
  }
  return lease;
}

}  // namespace kubelet::node
