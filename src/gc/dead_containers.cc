#include "kubelet/gc/dead_containers.h"

#include <map>
#include <set>

#include "gc/log_files.h"
#include "kubelet/base/log.h"

namespace kubelet::gc {

using base::Task;
using runtime::ContainerState;

namespace {

constexpr base::Nanos kFilesLimit = std::chrono::seconds(30);

// NotFound is what was wanted.
void Keep(absl::Status& first, const absl::Status& status) {
  if (first.ok() && !absl::IsNotFound(status)) first = status;
}

absl::Status RemoveLogs(const std::vector<std::string>& paths) {
  absl::Status first;
  for (const auto& path : paths) Keep(first, RemoveLog(path));
  return first;
}

}  // namespace

Remains FindRemains(const runtime::ObservedPod& pod, bool over) {
  Remains out;
  std::map<std::string, int> seen;
  std::set<runtime::SandboxId> used;
  for (const auto& container : pod.containers) {
    // Newest first: one of each name stays, be it the one that runs.
    bool newest = ++seen[container.name] == 1;
    bool dead = container.state == ContainerState::kExited;
    if (dead && (over || !newest)) {
      out.containers.push_back({container.id, container.log_path});
      continue;
    }
    auto sandbox = pod.sandbox_of.find(container.id);
    if (sandbox != pod.sandbox_of.end()) used.insert(sandbox->second);
  }
  for (size_t i = 0; i < pod.sandboxes.size(); ++i) {
    const auto& sandbox = pod.sandboxes[i];
    bool needed = sandbox.state == runtime::SandboxState::kReady || used.contains(sandbox.id);
    if (!needed && (over || i > 0)) out.sandboxes.push_back(sandbox.id);
  }
  return out;
}

Task<absl::Status> RemoveRemains(runtime::ContainerRuntime& runtime, base::BlockingPool& pool,
                                 Remains remains) {
  absl::Status first;
  std::vector<std::string> logs;
  for (const auto& container : remains.containers) {
    auto status = co_await runtime.RemoveContainer(container.id);
    Keep(first, status);
    if (status.ok() && !container.log_path.empty()) logs.push_back(container.log_path);
  }
  for (const auto& sandbox : remains.sandboxes) {
    auto status = co_await runtime.RemovePodSandbox(sandbox);
    Keep(first, status);
  }
  if (!logs.empty()) {
    std::function<absl::Status()> remove = [logs = std::move(logs)] { return RemoveLogs(logs); };
    auto status = co_await pool.RunStatus("log files", kFilesLimit, std::move(remove));
    Keep(first, status);
  }
  co_return first;
}

}  // namespace kubelet::gc
