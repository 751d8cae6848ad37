#include "status/containers.h"

#include <algorithm>

#include "kubelet/api/containers.h"
#include "kubelet/api/pod.h"
#include "kubelet/runtime/actions.h"
#include "status/resources.h"

namespace kubelet::status {
namespace {

using api::core::Container;
using api::core::PodStatus;
using OutStatus = api::core::ContainerStatus;
using Seen = runtime::ContainerStatus;
using Statuses = google::protobuf::RepeatedPtrField<OutStatus>;

constexpr int kUnknownExit = 137;
constexpr char kUnknownReason[] = "ContainerStatusUnknown";
constexpr char kLost[] = "The container could not be located when the pod was terminated";
constexpr char kLostRunning[] =
    "The container could not be located when the pod was deleted.  The container used to be "
    "Running";
constexpr char kInitLost[] =
    "Unable to get init container status from container runtime and pod has been initialized, "
    "treat it as exited normally";
constexpr char kRestartingAll[] = "RestartingAllContainers";
constexpr char kRemovedToRestart[] = "The container is removed because RestartAllContainers in place";
// All termination messages of a pod together (MaxPodTerminationMessageLogLength).
constexpr size_t kMessageBytes = 12 * 1024;

int64_t Seconds(base::WallTime t) {
  return std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
}

void SetUnknown(const char* message, api::core::ContainerState& state, const char* reason = kUnknownReason) {
  state.Clear();
  auto* end = state.mutable_terminated();
  end->set_exit_code(kUnknownExit);
  end->set_reason(reason);
  end->set_message(message);
}

std::string Cut(std::string message, size_t most) {
  if (message.size() <= most) return message;
  while (most > 0 && (message[most] & 0xC0) == 0x80) --most;  // not inside a UTF-8 character
  message.resize(most);
  return message;
}

enum class Kind { kInit, kRegular, kEphemeral };

class Converter {
 public:
  Converter(const Input& input, const Container& spec, Kind kind)
      : input_(input),
        spec_(spec),
        plain_init_(kind == Kind::kInit && !api::IsRestartableInit(spec)),
        ephemeral_(kind == Kind::kEphemeral),
        old_(Old(kind)) {
    FindInstances();
  }

  OutStatus Get() {
    Base();
    if (newest_ != nullptr) {
      FromRuntime();
    } else {
      Missing();
    }
    if (ShowsWaiting()) Wait();
    const auto& state = out_.state();
    // Nobody waits for an ephemeral container: upstream shows neither of an ephemeral one.
    if (ephemeral_) {
      out_.clear_started();
      out_.set_ready(false);
      return std::move(out_);
    }
    out_.set_started(state.has_running());
    out_.set_ready(plain_init_ ? state.has_terminated() && state.terminated().exit_code() == 0
                               : state.has_running());
    ApplyHealth();
    return std::move(out_);
  }

 private:
  const OutStatus* Old(Kind kind) const {
    if (input_.previous == nullptr) return nullptr;
    const PodStatus& previous = *input_.previous;
    const Statuses& all = kind == Kind::kInit      ? previous.init_container_statuses()
                          : kind == Kind::kRegular ? previous.container_statuses()
                                                   : previous.ephemeral_container_statuses();
    auto it = std::find_if(all.begin(), all.end(),
                           [&](const auto& s) { return s.name() == spec_.name(); });
    return it == all.end() ? nullptr : &*it;
  }

  // The newest instance, and the one before it that has ended.
  void FindInstances() {
    if (input_.observed == nullptr) return;
    for (const auto& c : input_.observed->containers) {
      if (c.name != spec_.name()) continue;
      if (newest_ == nullptr) {
        newest_ = &c;
      } else if (before_ == nullptr && c.state == runtime::ContainerState::kExited) {
        before_ = &c;
      }
    }
  }

  void Base() {
    if (old_ != nullptr && old_->state().has_terminated() && newest_ == nullptr) {
      out_ = *old_;
      return;
    }
    out_.set_name(spec_.name());
    out_.set_image(spec_.image());
    SetDefaultWaiting();
    SetMounts();
    if (old_ == nullptr) return;
    out_.set_restart_count(old_->restart_count());
    *out_.mutable_last_state() = old_->last_state();
  }

  void SetDefaultWaiting() {
    bool has_init = input_.pod->spec().init_containers_size() > 0;
    out_.mutable_state()->Clear();
    out_.mutable_state()->mutable_waiting()->set_reason(has_init ? "PodInitializing"
                                                                 : "ContainerCreating");
  }

  void SetMounts() {
    for (const auto& mount : spec_.volume_mounts()) {
      auto* m = out_.add_volume_mounts();
      m->set_name(mount.name());
      m->set_mount_path(mount.mount_path());
      if (!mount.read_only()) continue;
      m->set_read_only(true);
      m->set_recursive_read_only(Recursive(mount) ? "Enabled" : "Disabled");
    }
  }

  // IfPossible: what the runtime made of it.
  bool Recursive(const api::core::VolumeMount& mount) const {
    if (mount.recursive_read_only() != "IfPossible") {
      return mount.recursive_read_only() == "Enabled";
    }
    if (newest_ == nullptr) return false;
    std::string path = mount.mount_path();
    if (!path.empty() && path[0] != '/') path = "/" + path;
    return std::any_of(newest_->mounts.begin(), newest_->mounts.end(), [&](const auto& m) {
      return m.container_path == path && m.recursive_read_only;
    });
  }

  // The runtime has no record of it.
  void Missing() {
    if (!ephemeral_ && RestartsAllContainers(input_) && old_ != nullptr && !old_->state().has_waiting()) {
      auto* waiting = out_.mutable_state()->mutable_waiting();
      out_.mutable_state()->clear_terminated();
      waiting->set_reason(kRestartingAll);
      waiting->set_message(kRemovedToRestart);
      SetUnknown(kRemovedToRestart, *out_.mutable_last_state(), kRestartingAll);
      out_.set_restart_count(old_->restart_count() + 1);
      return;
    }
    if (out_.state().has_terminated()) return;
    if (old_ != nullptr && old_->state().has_running() && !out_.last_state().has_terminated()) {
      SetUnknown(kLostRunning, *out_.mutable_last_state());
      if (!input_.pod->metadata().has_deletion_timestamp()) {
        out_.set_restart_count(old_->restart_count() + 1);
      }
    }
    if (plain_init_ && AnyRegularContainer()) {
      auto* end = out_.mutable_state()->mutable_terminated();
      out_.mutable_state()->clear_waiting();
      end->set_exit_code(0);
      end->set_reason("Completed");
      end->set_message(kInitLost);
    }
  }

  bool AnyRegularContainer() const {
    const auto& regular = input_.pod->spec().containers();
    return input_.observed != nullptr &&
           std::any_of(regular.begin(), regular.end(), [&](const auto& spec) {
             return input_.observed->Newest(spec.name()) != nullptr;
           });
  }

  std::string Id(const Seen& seen) const { return input_.runtime_name + "://" + seen.id.str(); }

  void FromRuntime() {
    out_.set_container_id(Id(*newest_));
    out_.set_image(newest_->image.empty() ? spec_.image() : newest_->image);
    out_.set_image_id(newest_->image_ref);
    out_.set_restart_count(std::max(out_.restart_count(), static_cast<int32_t>(newest_->attempt)));
    bool other = old_ != nullptr && old_->container_id() != out_.container_id();
    bool old_ended = old_ != nullptr && old_->state().has_terminated();
    if (other && old_ended) *out_.mutable_last_state() = old_->state();
    if (before_ != nullptr) SetExit(*before_, *out_.mutable_last_state());
    switch (newest_->state) {
      case runtime::ContainerState::kRunning:
        out_.mutable_state()->Clear();
        out_.mutable_state()->mutable_running()->mutable_started_at()->set_seconds(
            Seconds(newest_->started_at));
        // It was counted before from something that the runtime has lost since.
        if (other && old_ended && old_->restart_count() >= static_cast<int32_t>(newest_->attempt)) {
          out_.set_restart_count(old_->restart_count() + 1);
        }
        break;
      case runtime::ContainerState::kExited:
        SetExit(*newest_, *out_.mutable_state());
        break;
      case runtime::ContainerState::kUnknown:
        if (old_ended && !other) {
          *out_.mutable_state() = old_->state();
        } else if (old_ != nullptr && old_->state().has_running()) {
          SetUnknown(kLost, *out_.mutable_state());
          out_.set_restart_count(old_->restart_count() + 1);
        }
        break;
      default:
        break;
    }
    SetContainerResources(input_, spec_, *newest_, old_, out_);
    SetUser();
    if (input_.stop_signals && !newest_->stop_signal.empty()) out_.set_stop_signal(newest_->stop_signal);
  }

  void SetExit(const Seen& seen, api::core::ContainerState& state) const {
    state.Clear();
    auto* out = state.mutable_terminated();
    out->set_exit_code(seen.exit_code);
    out->set_reason(seen.reason);
    auto it = input_.termination_messages.find(seen.id.str());
    const auto& spec = input_.pod->spec();
    size_t containers = static_cast<size_t>(spec.containers_size() + spec.init_containers_size() +
                                            spec.ephemeral_containers_size());
    // What the runtime says, and what the container left.
    std::string message = seen.message;
    if (it != input_.termination_messages.end() && !it->second.empty()) {
      message += (message.empty() ? "" : ": ") + it->second;
    }
    out->set_message(Cut(std::move(message), kMessageBytes / std::max<size_t>(containers, 1)));
    out->mutable_started_at()->set_seconds(Seconds(seen.started_at));
    out->mutable_finished_at()->set_seconds(Seconds(seen.finished_at));
    out->set_container_id(Id(seen));
  }

  void SetUser() {
    if (!newest_->user) return;
    auto* user = out_.mutable_user()->mutable_linux();
    user->set_uid(newest_->user->uid);
    user->set_gid(newest_->user->gid);
    for (int64_t group : newest_->user->supplemental_groups) user->add_supplemental_groups(group);
  }

  // Of a container that runs, and of no other, probes have something to say.
  void ApplyHealth() {
    if (plain_init_ || newest_ == nullptr || !out_.state().has_running()) return;
    auto it = input_.health.find(newest_->id.str());
    if (it == input_.health.end()) return;
    out_.set_started(it->second.started);
    out_.set_ready(it->second.started && it->second.ready);
  }

  // It is going to be started, and something is in the way.
  bool ShowsWaiting() const {
    if (input_.terminating || out_.state().has_running()) return false;
    if (ephemeral_ && out_.state().has_terminated()) return false;
    auto it = input_.waiting.find(spec_.name());
    if (it == input_.waiting.end() || it->second.reason == runtime::WaitingReason::kNone) {
      return false;
    }
    if (newest_ == nullptr) return !plain_init_ || !out_.state().has_terminated();
    if (newest_->state != runtime::ContainerState::kExited) return true;
    if (plain_init_ && newest_->exit_code == 0) return false;
    return runtime::ShouldRestart(*input_.pod, spec_, newest_->exit_code);
  }

  void Wait() {
    const runtime::Waiting& why = input_.waiting.at(spec_.name());
    if (out_.state().has_terminated()) *out_.mutable_last_state() = out_.state();
    SetDefaultWaiting();
    if (why.reason == runtime::WaitingReason::kContainerCreating) return;
    auto* waiting = out_.mutable_state()->mutable_waiting();
    waiting->set_reason(runtime::WaitingReasonName(why.reason));
    waiting->set_message(why.message);
  }

  const Input& input_;
  const Container& spec_;
  const bool plain_init_;
  const bool ephemeral_;
  const OutStatus* old_;
  const Seen* newest_ = nullptr;
  const Seen* before_ = nullptr;
  OutStatus out_;
};

// Whether the regular containers were ever let start.
bool HasInitialized(const Input& input, const PodStatus& status) {
  int inits = input.pod->spec().init_containers_size();
  if (inits == 0) return true;
  for (const auto& s : status.container_statuses()) {
    if (s.last_state().has_terminated() || !s.state().has_waiting()) return true;
  }
  if (status.init_container_statuses_size() < inits) return false;
  const OutStatus& last = status.init_container_statuses(inits - 1);
  auto succeeded = [](const api::core::ContainerState& state) {
    return state.has_terminated() && state.terminated().exit_code() == 0;
  };
  if (api::IsRestartableInit(input.pod->spec().init_containers(inits - 1))) return last.started();
  return succeeded(last.state()) || succeeded(last.last_state());
}

}  // namespace

bool RestartsAllContainers(const Input& input) {
  if (!runtime::HasRestartAllRule(*input.pod)) return false;
  if (input.observed != nullptr && runtime::RestartAllWanted(*input.pod, *input.observed)) return true;
  if (input.previous == nullptr) return false;
  const auto& before = input.previous->conditions();
  return std::any_of(before.begin(), before.end(), [](const auto& c) {
    return c.type() == "AllContainersRestarting" && c.status() == "True";
  });
}

void SetContainers(const Input& input, PodStatus& status) {
  for (const auto& spec : input.pod->spec().init_containers()) {
    *status.add_init_container_statuses() = Converter(input, spec, Kind::kInit).Get();
  }
  for (const auto& spec : input.pod->spec().containers()) {
    auto& out = *status.add_container_statuses();
    out = Converter(input, spec, Kind::kRegular).Get();
    auto health = input.resource_health.find(spec.name());
    if (health == input.resource_health.end()) continue;
    for (const auto& resource : health->second) *out.add_allocated_resources_status() = resource;
  }
  for (const auto& ephemeral : input.pod->spec().ephemeral_containers()) {
    *status.add_ephemeral_container_statuses() =
        Converter(input, api::AsContainer(ephemeral), Kind::kEphemeral).Get();
  }
  auto by_name = [](const OutStatus& a, const OutStatus& b) { return a.name() < b.name(); };
  std::sort(status.mutable_container_statuses()->begin(),
            status.mutable_container_statuses()->end(),
            by_name);
  std::sort(status.mutable_ephemeral_container_statuses()->begin(),
            status.mutable_ephemeral_container_statuses()->end(), by_name);
}

void EndUnknown(const Input& input, PodStatus& status) {
  auto end = [](OutStatus& s) {
    if (s.state().has_terminated()) return;
    SetUnknown(kLost, *s.mutable_state());
    s.set_started(false);
    s.set_ready(false);
  };
  if (HasInitialized(input, status)) {
    for (auto& s : *status.mutable_container_statuses()) end(s);
  }
  // Init containers after the last that shows a start never had their turn; the first always had.
  int had_turn = std::min(1, status.init_container_statuses_size());
  for (int i = 0; i < status.init_container_statuses_size(); ++i) {
    const OutStatus& s = status.init_container_statuses(i);
    if (s.last_state().has_terminated() || !s.state().has_waiting()) had_turn = i + 1;
  }
  for (int i = 0; i < had_turn; ++i) end(*status.mutable_init_container_statuses(i));
}

}  // namespace kubelet::status
