#include "fakes/api_table_pod.h"

#include <algorithm>

#include "kubelet/api/pod.h"

namespace kubelet::fakes {
namespace {

namespace core = api::core;

struct Summary {
  int ready = 0, total = 0;
  int64_t restarts = 0;
  api::meta::Time last_restart;
  std::string reason;
};

const core::Container* FindInit(const core::Pod& pod, const std::string& name) {
  for (const auto& container : pod.spec().init_containers())
    if (container.name() == name) return &container;
  return nullptr;
}

bool IsTrue(const core::Pod& pod, const std::string& type) {
  for (const auto& condition : pod.status().conditions())
    if (condition.type() == type) return condition.status() == "True";
  return false;
}

void AddRestarts(const core::ContainerStatus& status, Summary& summary) {
  summary.restarts += status.restart_count();
  if (!status.last_state().has_terminated()) return;
  const auto& finished = status.last_state().terminated().finished_at();
  if (summary.last_restart.seconds() < finished.seconds()) summary.last_restart = finished;
}

std::string EndReason(const core::ContainerStateTerminated& end) {
  if (!end.reason().empty()) return end.reason();
  if (end.signal() != 0) return "Signal:" + std::to_string(end.signal());
  return "ExitCode:" + std::to_string(end.exit_code());
}

// True while an init container holds the pod up.
bool Initializing(const core::Pod& pod, Summary& all, Summary& sidecars) {
  const auto& statuses = pod.status().init_container_statuses();
  for (int i = 0; i < statuses.size(); ++i) {
    const auto& status = statuses[i];
    const core::Container* container = FindInit(pod, status.name());
    bool sidecar = container != nullptr && api::IsRestartableInit(*container);
    AddRestarts(status, all);
    if (sidecar) AddRestarts(status, sidecars);
    const auto& state = status.state();
    if (state.has_terminated() && state.terminated().exit_code() == 0) continue;
    if (sidecar && status.started()) {
      all.ready += status.ready();
      continue;
    }
    if (state.has_terminated()) {
      all.reason = "Init:" + EndReason(state.terminated());
    } else if (state.has_waiting() && !state.waiting().reason().empty() &&
               state.waiting().reason() != "PodInitializing") {
      all.reason = "Init:" + state.waiting().reason();
    } else {
      all.reason =
          "Init:" + std::to_string(i) + "/" + std::to_string(pod.spec().init_containers_size());
    }
    return true;
  }
  return false;
}

void AddContainers(const core::Pod& pod, Summary& summary) {
  bool running = false;
  std::string error;
  const auto& statuses = pod.status().container_statuses();
  for (int i = statuses.size() - 1; i >= 0; --i) {
    const auto& status = statuses[i];
    AddRestarts(status, summary);
    const auto& state = status.state();
    if (state.has_waiting() && !state.waiting().reason().empty()) {
      summary.reason = state.waiting().reason();
    } else if (state.has_terminated()) {
      summary.reason = EndReason(state.terminated());
      if (state.terminated().exit_code() != 0) error = summary.reason;
    } else if (status.ready() && state.has_running()) {
      running = true;
      ++summary.ready;
    }
  }
  if (summary.reason != "Completed") return;
  if (running && IsTrue(pod, "Ready")) {
    summary.reason = "Running";
  } else if (!error.empty()) {
    summary.reason = error;
  } else if (running) {
    summary.reason = "NotReady";
  }
}

Summary Summarize(const core::Pod& pod) {
  Summary all;
  all.total = pod.spec().containers_size();
  for (const auto& container : pod.spec().init_containers())
    all.total += api::IsRestartableInit(container);
  const std::string& phase = pod.status().phase();
  all.reason = pod.status().reason().empty() ? phase : pod.status().reason();
  for (const auto& condition : pod.status().conditions())
    if (condition.type() == "PodScheduled" && condition.reason() == "SchedulingGated")
      all.reason = "SchedulingGated";
  Summary sidecars;
  if (!Initializing(pod, all, sidecars) || IsTrue(pod, "Initialized")) {
    all.restarts = sidecars.restarts;
    all.last_restart = sidecars.last_restart;
    AddContainers(pod, all);
  }
  bool deleted = pod.metadata().has_deletion_timestamp();
  if (deleted && pod.status().reason() == "NodeLost") {
    all.reason = "Unknown";
  } else if (deleted && phase != "Failed" && phase != "Succeeded") {
    all.reason = "Terminating";
  }
  return all;
}

std::string Gates(const core::Pod& pod) {
  if (pod.spec().readiness_gates_size() == 0) return "<none>";
  int open = 0;
  for (const auto& gate : pod.spec().readiness_gates()) open += IsTrue(pod, gate.condition_type());
  return std::to_string(open) + "/" + std::to_string(pod.spec().readiness_gates_size());
}

std::string OrNone(const std::string& text) { return text.empty() ? "<none>" : text; }

}  // namespace

boost::json::array PodCells(const core::Pod& pod, base::WallTime now) {
  Summary summary = Summarize(pod);
  std::string restarts = std::to_string(summary.restarts);
  if (summary.restarts != 0 && summary.last_restart.seconds() != 0)
    restarts += " (" + TimeSince(summary.last_restart, now) + " ago)";
  std::string ip = pod.status().pod_ips_size() > 0 ? pod.status().pod_ips(0).ip() : "";
  return {pod.metadata().name(),
          std::to_string(summary.ready) + "/" + std::to_string(summary.total),
          summary.reason,
          restarts,
          TimeSince(pod.metadata().creation_timestamp(), now),
          OrNone(ip),
          OrNone(pod.spec().node_name()),
          OrNone(pod.status().nominated_node_name()),
          Gates(pod)};
}

}  // namespace kubelet::fakes
