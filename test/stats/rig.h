// A node of fake control groups with pods on it, and the statistics of it. The loop is turned by
// hand; the pool's threads are real; time stands still unless a test moves it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <optional>

#include "await.h"
#include "stats/cgroup_tree.h"
#include "stats/disk_runtime.h"

namespace kubelet::stats::test {

using kubelet::test::CgroupTree;
using kubelet::test::GroupNumbers;
using kubelet::test::TempDir;
using kubelet::test::WriteText;

struct Rig {
  explicit Rig(bool v2 = false) : tree(v2) {
    tree.Set("/", GroupNumbers());
    tree.Set("/kubepods", GroupNumbers());
    tree.Set("/kubepods/burstable", GroupNumbers());
    WriteText(tree.Proc("stat"), "btime 1600000000\n");
    WriteText(tree.Proc("loadavg"), "0 0 0 1/77 5\n");
    WriteText(tree.Proc("self/cgroup"),
              "3:memory:/system.slice/kubelet.service\n0::/system.slice/kubelet.service\n");
    WriteText(tree.Proc("diskstats"), " 8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n");
    WriteText(tree.Proc("mountinfo"), "21 1 8:0 / / rw - ext4 /dev/sda rw\n");
    WriteNet(1, "ens5", 777);
    tree.Set("/system.slice/kubelet.service", GroupNumbers());
    options.cgroups = tree.mounts();
    options.node_name = "n1";
    options.machine.memory_bytes = 16'000'000;
    options.machine.cpus = 2;
    options.machine.cpu_list = "0-1";
    options.machine.max_pids = 4096;
    options.machine.machine_id = "m";
    options.root_dir = disk / "kubelet";
    options.pod_logs_dir = disk / "logs";
    options.proc = tree.Proc("");
    options.proc.pop_back();
    options.mountinfo = tree.Proc("mountinfo");
    std::filesystem::create_directories(options.root_dir);
  }

  ~Rig() {
    kubelet::test::Settle(io, pool);
    made.reset();
    io.poll();
  }

  void WriteNet(int pid, const std::string& name, uint64_t bytes) const {
    WriteText(tree.Proc(std::to_string(pid) + "/net/dev"),
              "head\nhead\n" + name + ": " + std::to_string(bytes) + " 2 3 4 0 0 0 0 " +
                  std::to_string(bytes * 2) + " 6 7 8 0 0 0 0\n");
  }

  // A pod of one container `c`, with its groups.
  std::shared_ptr<runtime::ObservedPod> AddPod(const std::string& name, GroupNumbers numbers = {}) {
    auto pod = std::make_shared<runtime::ObservedPod>();
    pod->uid = "uid-" + name;
    pod->name = name;
    pod->namespace_ = "ns";
    runtime::Sandbox sandbox;
    sandbox.id = runtime::SandboxId("sandbox-" + name);
    sandbox.state = runtime::SandboxState::kReady;
    sandbox.created_at = clock.Now();
    pod->sandboxes.push_back(sandbox);
    std::string group = "/kubepods/burstable/pod" + pod->uid;
    tree.Set(group, numbers);
    GroupNumbers pause;
    int pid = 1000 + static_cast<int>(pods.size());
    pause.pids = {pid};
    tree.Set(group + "/sandbox-" + name, pause);
    WriteNet(pid, "eth0", 5000);
    AddContainer(*pod, "c", "id-" + name, numbers);
    pods.push_back(pod);
    return pod;
  }
  void AddContainer(runtime::ObservedPod& pod, const std::string& name, const std::string& id,
                    const GroupNumbers& numbers) const {
    runtime::ContainerStatus container;
    container.id = runtime::ContainerId(id);
    container.name = name;
    container.image = "busybox:1";
    container.state = runtime::ContainerState::kRunning;
    container.created_at = clock.Now();
    pod.containers.insert(pod.containers.begin(), container);
    tree.Set("/kubepods/burstable/pod" + pod.uid + "/" + id, numbers);
  }

  Stats& stats() {
    if (made) return *made;
    Stats::Deps deps{io.get_executor(), clock, pool, cri, cri};
    deps.pods = [this] {
      std::vector<PodInput> out;
      for (const auto& pod : pods) {
        auto spec = std::make_shared<api::core::Pod>();
        spec->mutable_metadata()->set_uid(pod->uid);
        spec->mutable_metadata()->set_name(pod->name);
        out.push_back({pod, spec});
      }
      return out;
    };
    deps.pods_cgroup = [] { return "/kubepods"; };
    deps.pod_cgroup = [this](const api::core::Pod& pod) {
      return per_qos ? "/kubepods/burstable/pod" + pod.metadata().uid() : std::string();
    };
    deps.sandbox_image = [] { return "pause:3"; };
    deps.volumes = [this](const api::core::Pod& pod) { return volumes[pod.metadata().name()]; };
    deps.own_volumes = [this](api::PodPtr pod) { return Own(pod->metadata().name()); };
    made = std::make_unique<Stats>(std::move(deps), options);
    return *made;
  }

  template <typename T>
  static base::Task<void> Into(base::Task<absl::StatusOr<T>> task,
                               std::optional<absl::StatusOr<T>>* out) {
    auto value = co_await std::move(task);
    out->emplace(std::move(value));
  }
  // Time passes only while nothing else can go on.
  template <typename T>
  T Await(base::Task<absl::StatusOr<T>> task) {
    std::optional<absl::StatusOr<T>> out;
    base::TaskScope scope(io.get_executor());
    scope.Spawn("await", Into(std::move(task), &out));
    auto work = boost::asio::make_work_guard(io);
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    io.restart();
    while (!out && std::chrono::steady_clock::now() < end) {
      if (io.run_one_for(std::chrono::milliseconds(20)) == 0)
        clock.Advance(std::chrono::milliseconds(20));
    }
    REQUIRE(out);
    REQUIRE(out->ok());
    return **std::move(out);
  }
  std::string Cadvisor(base::MetricForm form = base::MetricForm::kPrometheus) {
    auto pieces = Await(stats().Cadvisor(form));
    std::string text, piece;
    while (pieces(piece)) text += piece;
    CHECK(piece.empty());
    return text;
  }

  CgroupTree tree;
  TempDir disk;
  Stats::Options options;
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};
  DiskRuntime cri;
  std::vector<std::shared_ptr<runtime::ObservedPod>> pods;
  std::map<std::string, std::vector<VolumeDir>> volumes;
  std::map<std::string, std::vector<OwnVolume>> own;
  bool per_qos = true;  // cgroupsPerQOS: pods have groups
  base::Task<std::vector<OwnVolume>> Own(std::string pod) { co_return own[pod]; }
  std::unique_ptr<Stats> made;
};

// The value of a series; nothing when it is not there. `labels` as in the text.
inline std::optional<std::string> Value(const std::string& text, const std::string& series) {
  size_t at = text.find("\n" + series + " ");
  if (at == std::string::npos) return std::nullopt;
  size_t begin = at + series.size() + 2;
  return text.substr(begin, text.find_first_of(" \n", begin) - begin);
}

}  // namespace kubelet::stats::test
