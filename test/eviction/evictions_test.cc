// The loop over a node in memory; time is turned by hand.
#include "kubelet/eviction/evictions.h"

#include <boost/asio/io_context.hpp>

#include "catch.h"
#include "kubelet/base/metrics.h"

namespace kubelet::eviction {
namespace {

using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

struct FakeHost : Host {
  Observations left;
  absl::Status blind;  // Observe fails
  std::optional<FsLayout> layout = FsLayout{};
  runtime::PodUsages usages;
  Pods active;
  std::set<std::string> ended;  // evicted; cleaned up when `clean`
  bool clean = true;
  std::function<void()> on_images;
  Strings log;

  base::Task<absl::StatusOr<Observations>> Observe() override {
    log.push_back("look");
    if (!blind.ok()) co_return blind;
    co_return left;
  }
  std::optional<FsLayout> Layout() override { return layout; }
  base::Task<absl::StatusOr<runtime::PodUsages>> Usage(Measure what,
                                                       std::set<std::string> uids) override {
    const char* kNames[] = {"memory", "processes", "files", "volumes"};
    std::string line = std::string("usage ") + kNames[static_cast<int>(what)];
    for (const auto& uid : uids) line += " " + uid;
    log.push_back(line);
    co_return usages;
  }
  base::Task<absl::Status> RemoveDeadContainers() override {
    log.push_back("containers");
    co_return absl::OkStatus();
  }
  base::Task<absl::Status> RemoveUnusedImages() override {
    log.push_back("images");
    if (on_images) on_images();
    co_return absl::OkStatus();
  }
  Pods ActivePods() override { return active; }
  void Evict(const Victim& victim) override {
    const auto& uid = victim.pod->metadata().uid();
    log.push_back("evict " + uid + " " + std::to_string(victim.grace.count()) + "s");
    std::erase_if(active, [&](const auto& pod) { return pod->metadata().uid() == uid; });
    ended.insert(uid);
  }
  bool CleanedUp(const std::string& uid) override { return clean && ended.contains(uid); }
  void OnPressure(const Pressures& p) override {
    log.push_back(std::string("pressure ") + (p.memory ? "m" : "") + (p.disk ? "d" : "") +
                  (p.pid ? "p" : ""));
  }
  void OnShortage(const std::string& resource) override { log.push_back("short of " + resource); }
};

struct Rig {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::Registry metrics;
  FakeHost host;
  Evictions::Options options;
  std::unique_ptr<Evictions> made;

  // What was cancelled ends in the loop.
  ~Rig() {
    made.reset();
    Run();
  }
  Evictions& evictions() {
    if (!made) {
      made = std::make_unique<Evictions>(io.get_executor(), clock, host, options, &metrics);
      made->Start();
    }
    return *made;
  }
  void Run() {
    io.restart();
    io.poll();
  }
  // What was done meanwhile.
  Strings Pass(base::Nanos time) {
    evictions();
    Run();
    clock.Advance(time, [this] { Run(); });
    Run();
    return std::exchange(host.log, {});
  }
  void AddPod(const std::string& name, int priority = 0, const char* size_limit = nullptr) {
    auto pod = std::make_shared<api::core::Pod>();
    pod->mutable_metadata()->set_name(name);
    pod->mutable_metadata()->set_uid(name);
    pod->mutable_spec()->set_priority(priority);
    pod->mutable_spec()->add_containers()->set_name("c");
    if (size_limit != nullptr) {
      auto* volume = pod->mutable_spec()->add_volumes();
      volume->set_name("v");
      volume->mutable_volume_source()->mutable_empty_dir()->mutable_size_limit()->set_string(
          size_limit);
    }
    host.active.push_back(pod);
  }
};

TEST_CASE("memory is short: the pod that uses most goes, then the next, until there is enough") {
  Rig rig;
  rig.options.config.hard["memory.available"] = "100";
  rig.options.config.allocatable_memory = false;
  rig.host.left[Signal::kMemoryAvailable] = {500, 1000};
  for (const char* name : {"small", "big", "middle"}) rig.AddPod(name);
  rig.host.usages["small"].memory = 1;
  rig.host.usages["big"].memory = 100;
  rig.host.usages["middle"].memory = 10;
  CHECK(rig.Pass(1s) == Strings{"look"});
  CHECK_FALSE(rig.evictions().pressures().Any());
  CHECK(rig.evictions().Explain().empty());
  rig.host.left[Signal::kMemoryAvailable].available = 50;
  rig.host.clean = false;
  CHECK(rig.Pass(10s) ==
        Strings{"look", "pressure m", "short of memory", "usage memory", "evict big 1s"});
  CHECK(rig.evictions().pressures() == Pressures{true, false, false});
  // Nobody else goes before it is cleaned up.
  CHECK(rig.Pass(15s).empty());
  rig.host.clean = true;
  rig.evictions().PodGone("another");
  CHECK(rig.Pass(0s).empty());
  rig.evictions().PodGone("big");
  CHECK(rig.Pass(0s) == Strings{"look", "short of memory", "usage memory", "evict middle 1s",
                                // which is cleaned up at once, and there is still not enough
                                "look", "short of memory", "usage memory", "evict small 1s", "look",
                                "short of memory", "usage memory"});
  CHECK(rig.evictions().Explain()[0] == "memory.available is below 100: 50 of 1k, for 16s");
  rig.host.left[Signal::kMemoryAvailable].available = 100;
  CHECK(rig.Pass(10s) == Strings{"look"});
  CHECK(rig.evictions().Explain()[0] == "MemoryPressure is over and stays for a while");
  auto later = rig.Pass(300s);
  CHECK(std::count(later.begin(), later.end(), "pressure ") == 1);
  CHECK(rig.evictions().Explain().empty());
  std::string text = rig.metrics.Render();
  CHECK(text.find("kubelet_evictions{eviction_signal=\"memory.available\"} 3") !=
        std::string::npos);
  CHECK(text.find("kubelet_eviction_stats_age_seconds_count{eviction_signal=\"memory.available\"} "
                  "3") != std::string::npos);
}

TEST_CASE("a pod that takes long to be cleaned up is waited for half a minute") {
  Rig rig;
  rig.options.config.hard["pid.available"] = "100";
  rig.host.left[Signal::kPidAvailable] = {1, 1000};
  rig.host.clean = false;
  rig.AddPod("a");
  rig.AddPod("b");
  auto first = rig.Pass(29s);
  CHECK(first.back() == "evict a 1s");
  auto second = rig.Pass(1s);
  REQUIRE_FALSE(second.empty());
  CHECK(second.back() == "evict b 1s");
}

TEST_CASE("the disk is full: what the node can remove comes first, and may be enough") {
  bool enough = GENERATE(true, false);
  Rig rig;
  rig.options.config.hard["nodefs.available"] = "10%";
  rig.host.left[Signal::kNodeFsAvailable] = {9, 100};
  rig.AddPod("a");
  rig.host.on_images = [&] {
    if (enough) rig.host.left[Signal::kNodeFsAvailable].available = 10;
  };
  Strings want = {"look",       "pressure d", "short of ephemeral-storage",
                  "containers", "images",     "look"};
  if (!enough) want.insert(want.end(), {"usage files", "evict a 1s", "look"});
  auto log = rig.Pass(0s);
  log.resize(std::min(log.size(), want.size()));
  CHECK(log == want);
}

TEST_CASE("a soft threshold has to last; its victims get the capped grace period") {
  Rig rig;
  rig.options.config.soft["memory.available"] = "100";
  rig.options.config.soft_grace["memory.available"] = 25s;
  rig.options.max_pod_grace = 7s;
  rig.host.left[Signal::kMemoryAvailable] = {99, 1000};
  rig.AddPod("a");
  CHECK(rig.Pass(1s) == Strings{"look", "pressure m"});
  CHECK(rig.evictions().Explain()[0] ==
        "memory.available is below 100: 99 of 1k, for 1s; pods are evicted after 25s");
  CHECK(rig.Pass(19s) == Strings{"look", "look"});
  auto log = rig.Pass(10s);
  REQUIRE(log.size() >= 4);
  CHECK(log[3] == "evict a 7s");
}

TEST_CASE("pods beyond their own limits all go, and that is the turn") {
  Rig rig;
  rig.options.config.hard["memory.available"] = "100";
  rig.options.config.allocatable_memory = false;
  rig.host.left[Signal::kMemoryAvailable] = {50, 1000};
  rig.AddPod("greedy1", 0, "10");
  rig.AddPod("modest", 0, "10");
  rig.AddPod("greedy2", 0, "10");
  rig.AddPod("system", 2000000000, "10");
  rig.AddPod("free");
  for (const char* name : {"greedy1", "greedy2", "system", "free"})
    rig.host.usages[name].volumes["v"].bytes = 11;
  rig.host.usages["modest"].volumes["v"].bytes = 10;
  rig.host.clean = false;
  CHECK(rig.Pass(1s) == Strings{"look", "pressure m", "usage volumes greedy1 greedy2 modest",
                                "evict greedy1 1s", "evict greedy2 1s"});
  CHECK(rig.metrics.Render().find("kubelet_evictions{eviction_signal=\"emptydirfs.limit\"} 2") !=
        std::string::npos);
}

TEST_CASE("without localStorageCapacityIsolation limits of storage are not looked at") {
  Rig rig;
  rig.options.storage_limits = false;
  rig.AddPod("greedy", 0, "10");
  rig.host.usages["greedy"].volumes["v"].bytes = 11;
  CHECK(rig.Pass(60s).empty());
}

TEST_CASE("nothing is asked of a node without thresholds and without limited pods") {
  Rig rig;
  rig.AddPod("free");
  CHECK(rig.Pass(60s).empty());
}

TEST_CASE("an alarm is looked into at once, but not more often than once a second") {
  Rig rig;
  rig.options.config.hard["memory.available"] = "100";
  rig.host.left[Signal::kMemoryAvailable] = {500, 1000};
  CHECK(rig.Pass(2s) == Strings{"look"});
  rig.evictions().Alarm();
  CHECK(rig.Pass(0s) == Strings{"look"});
  for (int i = 0; i < 10; ++i) {
    rig.evictions().Alarm();
    CHECK(rig.Pass(50ms).empty());
  }
  CHECK(rig.Pass(500ms) == Strings{"look"});
}

TEST_CASE("what cannot be observed changes nothing; a runtime that is silent hides no shortage") {
  Rig rig;
  rig.options.config.hard["memory.available"] = "100";
  rig.host.layout.reset();
  rig.host.left[Signal::kMemoryAvailable] = {50, 1000};
  CHECK(rig.Pass(0s) == Strings{"look", "pressure m", "short of memory", "usage memory"});
  rig.host.blind = absl::DeadlineExceededError("node pressure: did not finish in time");
  CHECK(rig.Pass(10s) == Strings{"look"});
  CHECK(rig.evictions().pressures().memory);
}

}  // namespace
}  // namespace kubelet::eviction
