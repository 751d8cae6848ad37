// What a scrape costs: `stats_bench [PODS [REPEATS]]`. That many pods (110) of a sandbox and one
// container, each with a process, in control groups of this machine under a group of their own;
// without the right to make some, in plain directories that look like v1's. Prints for each
// document its size and the CPU of this process: `fresh` with samples taken anew for the question,
// `cached` with samples at hand, as for a second scraper within ten seconds.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "kubelet/os/cgroup.h"
#include "kubelet/os/machine.h"
#include "stats/disk_runtime.h"

using namespace kubelet;

namespace {

double CpuMillis() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

pid_t Sleeper() {
  pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (;;) pause();
}

// Groups that are made in every hierarchy, and removed at the end.
class Node {
 public:
  explicit Node(int pods) {
    auto mounts = os::ReadMountinfo();
    if (mounts.ok()) mounts_ = os::DetectCgroups(*mounts);
    auto host = os::CgroupHierarchy::OpenHost();
    root_ = "/kubelet-stats-bench-" + std::to_string(getpid());
    if (host.ok() && geteuid() == 0 && (*host)->Create(root_ + "/kubepods", {}).ok()) {
      hierarchy_ = *host;
    } else {
      MakeFake();
    }
    for (int i = 0; i < pods; ++i) AddPod(i);
  }
  ~Node() {
    for (pid_t pid : pids_) kill(pid, SIGKILL);
    for (pid_t pid : pids_) waitpid(pid, nullptr, 0);
    if (fake_.empty()) (void)hierarchy_->Remove(root_);
    if (!fake_.empty()) std::filesystem::remove_all(fake_);
  }
  const os::CgroupMounts& mounts() const { return mounts_; }
  std::string PodsGroup() const { return root_ + "/kubepods"; }
  std::string PodGroup(const std::string& uid) const { return PodsGroup() + "/pod" + uid; }
  std::vector<stats::PodInput> Pods() const { return inputs_; }
  bool fake() const { return !fake_.empty(); }

 private:
  void MakeFake() {
    fake_ = std::filesystem::temp_directory_path() / ("stats-bench-" + std::to_string(getpid()));
    mounts_ = {os::CgroupMode::kV1, {}, ""};
    for (const char* controller : {"cpu", "cpuacct", "cpuset", "memory", "pids", "blkio"}) {
      mounts_.v1[controller] = (fake_ / controller).string();
      std::filesystem::create_directories(fake_ / controller);
    }
  }
  void Write(const std::string& controller, const std::string& group, const char* file,
             const std::string& text) const {
    std::filesystem::path dir = fake_ / controller;
    dir += group;
    std::filesystem::create_directories(dir);
    std::ofstream(dir / file) << text;
  }
  void Group(const std::string& group, pid_t pid) {
    if (!fake()) {
      (void)hierarchy_->Create(group, {});
      if (pid == 0) return;
      std::vector<std::string> points = {mounts_.unified};
      if (mounts_.mode != os::CgroupMode::kV2) points.clear();
      for (const auto& [controller, point] : mounts_.v1) points.push_back(point);
      for (const auto& point : points) {
        std::filesystem::create_directories(point + group);
        std::ofstream(point + group + "/cgroup.procs") << pid;
      }
      return;
    }
    std::string stat;
    for (const char* key :
         {"cache", "rss", "rss_huge", "shmem", "mapped_file", "dirty", "swap", "pgpgin", "pgfault",
          "pgmajfault", "inactive_anon", "active_anon", "inactive_file", "active_file"})
      stat += std::string(key) + " 1234567\ntotal_" + key + " 2345678\n";
    Write("memory", group, "memory.stat", stat);
    for (const char* file : {"memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.failcnt",
                             "memory.limit_in_bytes", "memory.memsw.limit_in_bytes",
                             "memory.soft_limit_in_bytes", "memory.kmem.usage_in_bytes"})
      Write("memory", group, file, "12345678\n");
    Write("memory", group, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
    Write("cpuacct", group, "cpuacct.usage", "123456789012\n");
    Write("cpuacct", group, "cpuacct.stat", "user 1234\nsystem 567\n");
    Write("cpu", group, "cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n");
    Write("cpu", group, "cgroup.procs", pid == 0 ? "" : std::to_string(pid) + "\n");
    Write("pids", group, "pids.current", "1\n");
  }
  void AddPod(int i) {
    auto pod = std::make_shared<runtime::ObservedPod>();
    char uid[64];
    std::snprintf(uid, sizeof uid, "%08x-1234-5678-9abc-def012345678", static_cast<unsigned>(i));
    pod->uid = uid;
    pod->name = "some-deployment-7d4b9c6f5d-" + std::to_string(i);
    pod->namespace_ = "some-namespace";
    Group(PodGroup(pod->uid), 0);
    std::string id(64, 'a');
    id.replace(0, 6, std::to_string(100'000 + i));
    runtime::Sandbox sandbox;
    sandbox.id = runtime::SandboxId("5" + id.substr(1));
    sandbox.state = runtime::SandboxState::kReady;
    pod->sandboxes.push_back(sandbox);
    runtime::ContainerStatus container;
    container.id = runtime::ContainerId("c" + id.substr(1));
    container.name = "application";
    container.image = "registry.example/team/application:1.2.3";
    container.state = runtime::ContainerState::kRunning;
    pod->containers.push_back(container);
    for (const auto& name : {sandbox.id.str(), container.id.str()}) {
      pids_.push_back(Sleeper());
      Group(PodGroup(pod->uid) + "/" + name, pids_.back());
    }
    auto spec = std::make_shared<api::core::Pod>();
    spec->mutable_metadata()->set_uid(pod->uid);
    inputs_.push_back({pod, spec});
  }

  std::string root_;
  std::filesystem::path fake_;
  os::CgroupMounts mounts_;
  std::shared_ptr<const os::CgroupHierarchy> hierarchy_;
  std::vector<pid_t> pids_;
  std::vector<stats::PodInput> inputs_;
};

struct Loop {
  boost::asio::io_context io{1};
  base::RealClock clock{io};
  base::BlockingPool pool{io.get_executor(), clock, {}};

  static base::Task<void> Into(base::Task<absl::StatusOr<std::string>> task, size_t* size,
                               bool* done) {
    auto value = co_await std::move(task);
    if (!value.ok()) std::fprintf(stderr, "%s\n", value.status().ToString().c_str());
    if (value.ok()) *size = value->size();
    *done = true;
  }
  static base::Task<void> Into(base::Task<absl::StatusOr<base::TextPieces>> task, size_t* size,
                               bool* done) {
    auto pieces = co_await std::move(task);
    if (!pieces.ok()) std::fprintf(stderr, "%s\n", pieces.status().ToString().c_str());
    std::string piece;
    while (pieces.ok() && (*pieces)(piece)) *size += piece.size();
    *done = true;
  }
  // The size of the document.
  template <typename T>
  size_t Await(base::Task<absl::StatusOr<T>> task) {
    size_t out = 0;
    bool done = false;
    base::TaskScope scope(io.get_executor());
    scope.Spawn("bench", Into(std::move(task), &out, &done));
    io.restart();
    while (!done) io.run_one();
    return out;
  }
};

struct Row {
  const char* name;
  std::function<size_t(Loop&, stats::Stats&)> ask;
};

}  // namespace

int main(int argc, char** argv) {
  int pods = argc > 1 ? std::atoi(argv[1]) : 110, repeats = argc > 2 ? std::atoi(argv[2]) : 20;
  Node node(pods);
  Loop loop;
  stats::test::DiskRuntime runtime;
  auto machine = os::ReadMachine();
  auto make = [&](base::Nanos max_age) {
    stats::Stats::Deps deps{loop.io.get_executor(), loop.clock, loop.pool, runtime, runtime};
    deps.pods = [&node] { return node.Pods(); };
    deps.pods_cgroup = [&node] { return node.PodsGroup(); };
    deps.pod_cgroup = [&node](const api::core::Pod& pod) {
      return node.PodGroup(pod.metadata().uid());
    };
    stats::Stats::Options options;
    options.node_name = "bench";
    options.cgroups = node.mounts();
    if (machine.ok()) options.machine = *machine;
    options.root_dir = options.pod_logs_dir = "/nonexistent";
    options.max_age = max_age;
    return std::make_unique<stats::Stats>(std::move(deps), options);
  };
  std::printf("%d pods in %s control groups, median of %d\n", pods,
              node.fake() ? "made-up" : "real", repeats);
  std::printf("%-28s %10s %12s %12s\n", "", "KB", "fresh ms", "cached ms");
  using base::MetricForm;
  const Row rows[] = {
      {"/metrics/cadvisor",
       [](Loop& l, stats::Stats& s) { return l.Await(s.Cadvisor(MetricForm::kPrometheus)); }},
      {"/metrics/cadvisor (open)",
       [](Loop& l, stats::Stats& s) { return l.Await(s.Cadvisor(MetricForm::kOpenMetrics)); }},
      {"/metrics/resource",
       [](Loop& l, stats::Stats& s) { return l.Await(s.Resource(MetricForm::kPrometheus)); }},
      {"/stats/summary", [](Loop& l, stats::Stats& s) { return l.Await(s.Summary(false)); }},
      {"/stats/summary (cpu, memory)",
       [](Loop& l, stats::Stats& s) { return l.Await(s.Summary(true)); }},
  };
  for (const Row& row : rows) {
    double median[2];
    size_t size = 0;
    for (int cached = 0; cached < 2; ++cached) {
      auto stats = make(cached ? std::chrono::hours(1) : base::Nanos(0));
      std::vector<double> took;
      (void)row.ask(loop, *stats);
      for (int i = 0; i < repeats; ++i) {
        double before = CpuMillis();
        size = row.ask(loop, *stats);
        took.push_back(CpuMillis() - before);
      }
      std::nth_element(took.begin(), took.begin() + repeats / 2, took.end());
      median[cached] = took[static_cast<size_t>(repeats / 2)];
    }
    std::printf("%-28s %10zu %12.2f %12.2f\n", row.name, size / 1024, median[0], median[1]);
    std::fflush(stdout);
  }
}
