#include "app/local_api.h"

#include <algorithm>

#include "kubelet/api/codec.h"
#include "kubelet/api/pod.h"
#include "kubelet/base/status.h"
#include "kubelet/runtime/config.h"

namespace kubelet::app {
namespace {

constexpr char kText[] = "text/plain; charset=utf-8";

server::Response NotFound() { return {404, kText, "404 page not found\n"}; }

std::string Pad(std::string text, size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

// Rows of equal length as columns two spaces apart.
std::string Table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i)
      line += i + 1 < row.size() ? Pad(row[i], widths[i] + 2) : row[i];
    out += line + "\n";
  }
  return out;
}

std::string ContainerState(const api::core::ContainerStatus& status) {
  const auto& state = status.state();
  if (state.has_running()) return "Running";
  if (state.has_terminated()) {
    return "Terminated " + state.terminated().reason() + " (exit code " +
           std::to_string(state.terminated().exit_code()) + ")";
  }
  std::string text = "Waiting " + state.waiting().reason();
  if (!state.waiting().message().empty()) text += ": " + state.waiting().message();
  return text;
}

// One word as `kubectl get pods` shows it: the phase, or what the first waiting or ended container
// says.
std::string ShortStatus(const api::core::PodStatus& status) {
  for (const auto& c : status.container_statuses()) {
    if (c.state().has_waiting() && !c.state().waiting().reason().empty())
      return c.state().waiting().reason();
  }
  if (status.phase() == "Succeeded") return "Completed";
  return status.phase();
}

}  // namespace

server::Response LocalApi::ReadOnly(const server::Request& request) const {
  std::string path = request.path;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path == "/pods") return {200, "application/json", PodList()};
  return NotFound();
}

server::Response LocalApi::Secure(const server::Request& request) const {
  std::string path = request.path;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path == "/runningpods") return {200, "application/json", RunningPods()};
  if (path == "/configz") {
    return {200, "application/json", "{\"kubeletconfig\":" + deps_.configuration() + "}"};
  }
  return ReadOnly(request);
}

server::Response LocalApi::Local(const server::Request& request) const {
  if (request.path == "/local/pods") return {200, kText, PodTable()};
  if (request.path == "/local/explain") {
    auto it = request.query.find("pod");
    return Explain(it == request.query.end() ? "" : it->second);
  }
  return ReadOnly(request);
}

std::string LocalApi::PodList() const {
  api::core::PodList list;
  list.mutable_metadata();
  for (const auto& pod : deps_.store.All()) {
    auto* item = list.add_items();
    *item = *pod;
    if (const auto* status = deps_.statuses.Get(pod->metadata().uid()))
      *item->mutable_status() = *status;
  }
  return api::EncodeJson(list);
}

// What the runtime runs, with the little that it knows (pkg/kubelet/container ToAPIPod).
std::string LocalApi::RunningPods() const {
  api::core::PodList list;
  list.mutable_metadata();
  for (const auto& pod : deps_.pleg.All()) {
    if (!pod->AnyRunning() && pod->ReadySandbox() == nullptr) continue;
    auto* item = list.add_items();
    item->mutable_metadata()->set_uid(pod->uid);
    item->mutable_metadata()->set_name(pod->name);
    item->mutable_metadata()->set_namespace_(pod->namespace_);
    item->mutable_spec();
    item->mutable_status();
    for (const auto& container : pod->containers) {
      if (container.state != runtime::ContainerState::kRunning) continue;
      auto* out = item->mutable_spec()->add_containers();
      out->set_name(container.name);
      out->set_image(container.image);
      out->mutable_resources();
    }
  }
  return api::EncodeJson(list);
}

std::string LocalApi::Ago(base::WallTime t) const {
  auto d = std::chrono::floor<std::chrono::seconds>(deps_.clock.Now() - t);
  return base::GoDuration(std::max<base::Nanos>(d, base::Nanos(0)));
}

std::string LocalApi::PodTable() const {
  std::vector<std::vector<std::string>> rows = {
      {"NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "STEP"}};
  for (const auto& view : deps_.workers.Views()) {
    const auto* status = deps_.statuses.Get(view.uid);
    std::string ready = "-", phase = "Unknown", age = "-";
    int restarts = 0;
    if (status != nullptr) {
      int up = 0;
      for (const auto& c : status->container_statuses()) {
        up += c.ready() ? 1 : 0;
        restarts += c.restart_count();
      }
      ready = std::to_string(up) + "/" + std::to_string(status->container_statuses_size());
      phase = ShortStatus(*status);
      age = Ago(base::WallFromUnixNanos(status->start_time().seconds() * 1'000'000'000));
    }
    if (std::holds_alternative<worker::Terminating>(view.state)) phase = "Terminating";
    rows.push_back({view.namespace_, view.name, ready, phase, std::to_string(restarts), age,
                    view.progress.step});
  }
  for (const auto& pod : deps_.store.All()) {
    if (deps_.workers.Has(pod->metadata().uid())) continue;
    rows.push_back({pod->metadata().namespace_(), pod->metadata().name(), "-", "Unknown", "0", "-",
                    deps_.pleg.Synced() ? "waiting to be judged by the node's labels"
                                        : "waiting for the container runtime"});
  }
  std::sort(rows.begin() + 1, rows.end());
  std::string out = rows.size() > 1 ? Table(rows) : "No pods.\n";
  auto problems = deps_.problems();
  if (!problems.empty()) {
    out += "\n" + std::to_string(problems.size()) +
           " problem(s) with manifests; `kubelet explain` tells.\n";
  }
  return out;
}

std::vector<std::string> LocalApi::Find(const std::string& which) const {
  std::vector<std::string> uids;
  for (const auto& view : deps_.workers.Views()) {
    std::string source_name = view.name;
    bool match =
        which == view.uid || which == view.name || which == view.namespace_ + "/" + view.name;
    // The name as written in the manifest, without the node's.
    if (!match && view.pod) {
      std::string suffix = "-" + view.pod->spec().node_name();
      if (view.name.size() > suffix.size() && view.name.ends_with(suffix)) {
        source_name.resize(view.name.size() - suffix.size());
        match = which == source_name || which == view.namespace_ + "/" + source_name;
      }
    }
    if (match) uids.push_back(view.uid);
  }
  return uids;
}

server::Response LocalApi::Explain(const std::string& which) const {
  std::string out;
  if (which.empty()) {
    for (const auto& view : deps_.workers.Views()) {
      ExplainPod(view.uid, out);
      out += "\n";
    }
  }
  auto found = which.empty() ? std::vector<std::string>() : Find(which);
  for (const auto& uid : found) ExplainPod(uid, out);
  for (const auto& problem : deps_.problems()) {
    std::string base_name = problem.origin.substr(problem.origin.rfind('/') + 1);
    bool about = which.empty() || problem.origin == which || base_name == which ||
                 problem.pod == which || problem.error.find(which) != std::string::npos;
    for (const auto& uid : found) {
      auto view = deps_.workers.View(uid);
      if (view && problem.pod == view->namespace_ + "/" + view->name) about = true;
    }
    if (!about) continue;
    out += "Manifest " + problem.origin +
           (problem.pod.empty() ? "" : " (pod " + problem.pod + ")") + "\n";
    out += "  problem     " + problem.error + "\n";
    out += "  since       " + base::Rfc3339(problem.since) + " (" + Ago(problem.since) + " ago)\n";
    const char* effect = problem.warning          ? "none; it is accepted"
                         : problem.last_good_kept ? "the pod runs on from its last good manifest"
                                                  : "no pod runs from this manifest";
    out += std::string("  effect      ") + effect + "\n";
  }
  if (absl::Status health = deps_.pleg.Health(); !health.ok())
    out += "Runtime: " + base::Message(health) + "\n";
  if (absl::Status health = deps_.runtime_health(); !health.ok())
    out += "Runtime: " + base::Message(health) + "\n";
  if (which.empty()) out += deps_.cluster_problems();
  if (which.empty() && deps_.volume_problems)
    for (const auto& line : deps_.volume_problems("")) out += "Volumes: " + line + "\n";
  if (out.empty()) {
    if (which.empty()) return {200, kText, "No pods and no problems.\n"};
    return {404, kText, "No pod, manifest or problem is called \"" + which + "\".\n"};
  }
  return {200, kText, out};
}

void LocalApi::ExplainPod(const std::string& uid, std::string& out) const {
  auto view = deps_.workers.View(uid);
  if (!view) return;
  out += "Pod " + view->namespace_ + "/" + view->name + "\n";
  out += "  uid         " + uid + "\n";
  if (view->pod) out += "  source      " + api::Annotation(*view->pod, api::kConfigSource) + "\n";
  if (view->pod) {
    for (const auto& field : runtime::NotBuiltYet(*view->pod))
      out += "  without     " + field + " (not built yet)\n";
  }
  out += std::string("  state       ") + worker::Name(view->state);
  if (const auto* ending = std::get_if<worker::Terminating>(&view->state))
    out += " (" + ending->reason + ")";
  out += "\n  step        " + view->progress.step + ", for " + Ago(view->progress.since) + "\n";
  if (const auto& verdict = view->verdict)
    out += "  over        " + verdict->reason + ": " + verdict->message + "\n";
  if (!view->last_error.ok()) {
    out += "  last error  " + base::Message(view->last_error) + " (" + Ago(view->last_error_at) +
           " ago)\n";
  }
  if (view->next_retry) {
    auto left = std::chrono::ceil<std::chrono::seconds>(*view->next_retry - deps_.clock.Now());
    out +=
        "  next retry  in " + base::GoDuration(std::max<base::Nanos>(left, base::Nanos(0))) + "\n";
  }
  if (deps_.volume_problems)
    for (const auto& line : deps_.volume_problems(uid)) out += "  volume      " + line + "\n";
  auto problems = deps_.pleg.Problems();
  if (auto it = problems.find(uid); it != problems.end())
    out += "  runtime     " + it->second + "\n";
  ExplainContainers(uid, out);
}

void LocalApi::ExplainContainers(const std::string& uid, std::string& out) const {
  const auto* status = deps_.statuses.Get(uid);
  if (status == nullptr) return;
  out += "  phase       " + status->phase() +
         (status->pod_ip().empty() ? "" : ", IP " + status->pod_ip()) + "\n";
  for (const auto* list : {&status->init_container_statuses(), &status->container_statuses()}) {
    for (const auto& c : *list) {
      out += "  container   " + c.name() + ": " + ContainerState(c) + ", restarts " +
             std::to_string(c.restart_count());
      if (c.last_state().has_terminated()) {
        const auto& last = c.last_state().terminated();
        out += ", last ended with exit code " + std::to_string(last.exit_code()) + " (" +
               last.reason() + ")";
      }
      out += "\n";
    }
  }
}

}  // namespace kubelet::app
