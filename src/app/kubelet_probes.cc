// Probes: where they get their pods from and whom they tell.
#include "app/kubelet.h"
#include "kubelet/base/log.h"
#include "kubelet/os/container_processes.h"
#include "kubelet/os/file.h"

namespace kubelet::app {

using std::chrono::seconds;

namespace {

constexpr char kResultsFile[] = "/probe_results";
constexpr size_t kResultsLimit = 1024 * 1024;

base::Task<void> Keep(base::BlockingPool& pool, std::string path, std::string text) {
  std::function<absl::Status()> work = [path, text] {
    return os::WriteFileAtomic(path, text, 0600);
  };
  auto status = co_await pool.RunStatus("probe results", seconds(30), std::move(work));
  if (!status.ok()) LOG_WARNING("Cannot keep results of probes", "path", path, "err", status);
}

class ProcProcesses : public probe::ContainerProcesses {
 public:
  explicit ProcProcesses(base::BlockingPool& pool) : pool_(pool) {}
  base::Task<absl::StatusOr<std::vector<Process>>> List(runtime::ContainerId id) override {
    std::function<absl::StatusOr<std::vector<Process>>()> work =
        [id]() -> absl::StatusOr<std::vector<Process>> {
      auto all = os::ListContainerProcesses("/proc", id.str());
      if (!all.ok()) return all.status();
      std::vector<Process> out;
      for (auto& p : *all)
        out.push_back({p.pid, p.parent, p.session, p.zombie, p.age, std::move(p.command)});
      return out;
    };
    return pool_.Run<std::vector<Process>>("exec leftovers", seconds(10), std::move(work));
  }
  base::Task<void> KillSession(runtime::ContainerId id, int session) override {
    std::function<absl::StatusOr<int>()> work = [id, session]() -> absl::StatusOr<int> {
      return os::KillContainerSession("/proc", id.str(), session);
    };
    auto done = co_await pool_.Run<int>("exec leftovers", seconds(10), std::move(work));
    if (!done.ok()) LOG_WARNING("Cannot kill what an exec has left", "err", done.status());
  }

 private:
  base::BlockingPool& pool_;
};

}  // namespace

void Kubelet::MakeProbes() {
  const std::string path = config_.flags.root_dir + kResultsFile;
  probe::NetworkProber::Options options;
  options.parallel_execs = 2 * node_.machine.cpus + 2;
  processes_ = std::make_unique<ProcProcesses>(pool_);
  prober_ = std::make_unique<probe::NetworkProber>(
      probe::NetworkProber::Deps{io_.get_executor(), clock_, pool_, *runtime_, processes_.get()},
      options);
  hook_http_ = probe::MakeHookHttp(io_.get_executor(), clock_, prober_->names());
  probes_ = std::make_unique<probe::ProbeManager>(
      probe::ProbeManager::Deps{io_.get_executor(), clock_, *prober_,
                                [this](const std::string& uid) {
                                  workers_->Wake(uid);
                                  OnPodChange(uid);
                                },
                                [this](const auto& pod, const auto& event) { OnEvent(pod, event); },
                                [this] { return OwnAddresses(); },
                                [this, path](std::string text) {
                                  scope_.Spawn("probe results", Keep(pool_, path, std::move(text)));
                                },
                                &metrics_},
      probe::ProbeManager::Options{});
  auto kept = os::ReadRegularFile(path, kResultsLimit);
  if (kept.ok()) {
    probes_->Restore(kept->text);
  } else if (!absl::IsNotFound(kept.status())) {
    LOG_WARNING("Cannot read results of probes; going on without", "path", path, "err",
                kept.status());
  }
}

void Kubelet::FollowProbes(const std::string& uid) {
  auto view = workers_->View(uid);
  api::PodPtr pod = store_->Get(uid);
  if (!pod && view) pod = view->pod;
  if (!pod || (view && !view->could_run())) {
    probes_->Remove(uid);
    return;
  }
  probes_->Sync(pod, pleg_->Get(uid));
  if (view && view->over()) probes_->StopLivenessAndStartup(uid);
}

}  // namespace kubelet::app
