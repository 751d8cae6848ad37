#include "kubelet/gc/log_rotator.h"

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "catch.h"
#include "fakes/fake_runtime.h"

namespace kubelet::gc {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// Has the logs open as a runtime has them.
class Writers : public test::FakeRuntimeClient {
 public:
  using FakeRuntimeClient::FakeRuntimeClient;
  std::map<std::string, std::string> paths;
  std::map<std::string, std::ofstream> files;
  absl::Status reopen;          // what it answers
  bool reopens_anyway = false;  // although it answers with an error
  int asked = 0;
  void Open(const std::string& id) {
    files[id].close();
    files[id].clear();
    files[id].open(paths[id], std::ios::app | std::ios::binary);
  }
  void Write(const std::string& id, const std::string& text) { files[id] << text << std::flush; }
  base::Task<absl::Status> ReopenContainerLog(runtime::ContainerId id) override {
    ++asked;
    if (reopen.ok() || reopens_anyway) Open(id.str());
    co_return reopen;
  }
};

struct Bench {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};
  test::FakeRuntime world{io.get_executor(), clock};
  Writers runtime{world};
  runtime::ObservedPodPtr pod;
  LogPolicy policy;
  std::unique_ptr<LogRotator> rotator;
  std::string dir;

  Bench() {
    std::string name = (fs::temp_directory_path() / "kubelet-rotate-XXXXXX").string();
    dir = mkdtemp(name.data());
    policy.max_size = 1000;
    policy.max_files = 3;
  }
  ~Bench() {
    if (rotator) {
      bool stopped = false;
      base::TaskScope scope(io.get_executor());
      scope.Spawn("stop", StopIt(&stopped));
      Until([&] { return stopped; });
    }
    rotator.reset();
    Run();
    fs::remove_all(dir);
  }
  void Start() {
    rotator =
        std::make_unique<LogRotator>(LogRotator::Deps{io.get_executor(), clock, pool, runtime,
                                                      [this](const std::string&) { return pod; }},
                                     policy);
    rotator->Start();
    rotator->PodChanged("uid");
  }
  // Containers by instance, the last of them running (or all ended).
  void SetPod(const std::vector<int>& instances, bool running = true) {
    auto observed = std::make_shared<runtime::ObservedPod>();
    for (int n : instances) {
      runtime::ContainerStatus c;
      c.id = runtime::ContainerId("c" + std::to_string(n));
      bool last = n == instances.back();
      c.state =
          last && running ? runtime::ContainerState::kRunning : runtime::ContainerState::kExited;
      c.log_path = Path(n);
      runtime.paths[c.id.str()] = c.log_path;
      observed->containers.push_back(c);
    }
    pod = observed;
    if (rotator) rotator->PodChanged("uid");
  }
  std::string Path(int n) const { return dir + "/" + std::to_string(n) + ".log"; }
  base::Task<void> StopIt(bool* stopped) {
    co_await rotator->Stop();
    *stopped = true;
  }
  void Run() {
    io.restart();
    io.poll();
  }
  // Time passes, and the pool does its work, until it is so.
  template <typename Condition>
  bool Until(Condition condition, base::Nanos step = 50ms) {
    auto limit = std::chrono::steady_clock::now() + 20s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      clock.Advance(step, [this] { Run(); });
      io.restart();
      io.run_one_for(1ms);
    }
    return true;
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(dir)) out.push_back(entry.path().filename());
    std::sort(out.begin(), out.end());
    return out;
  }
  size_t Count(const std::string& part) const {
    size_t n = 0;
    for (const auto& name : Files()) n += name.find(part) != std::string::npos ? 1 : 0;
    return n;
  }
  std::string Text(const std::string& name) const {
    std::ostringstream out;
    out << std::ifstream(dir + "/" + name, std::ios::binary).rdbuf();
    return out.str();
  }
};

TEST_CASE("a log beyond its limit is rotated, older ones compressed, the oldest removed") {
  Bench bench;
  bench.SetPod({0});
  bench.runtime.Open("c0");
  bench.Start();
  for (int i = 1; i <= 5; ++i) {
    bench.runtime.Write("c0", std::string(1000, static_cast<char>('0' + i)));
    REQUIRE(bench.Until([&] { return bench.runtime.asked == i; }));
    CHECK(fs::exists(bench.Path(0)));
  }
  REQUIRE(bench.Until([&] { return bench.Files().size() == 3 && bench.Count(".gz") == 1; }));
  // The newest is as it was: its writer may have had it open.
  CHECK(bench.Text(bench.Files()[2]) == std::string(1000, '5'));
  bench.runtime.Write("c0", "on it goes");
  CHECK(bench.Text("0.log") == "on it goes");
}

TEST_CASE("when the runtime cannot reopen, the log keeps its name and every line") {
  Bench bench;
  bench.SetPod({0});
  bench.runtime.Open("c0");
  bench.runtime.reopen = absl::UnavailableError("no");
  bench.Start();
  std::string text(1500, 'x');
  bench.runtime.Write("c0", text);
  REQUIRE(bench.Until([&] { return bench.runtime.asked >= 2; }));
  bench.runtime.Write("c0", "y");
  REQUIRE(bench.Until([&] { return bench.Files() == std::vector<std::string>{"0.log"}; }));
  CHECK(bench.Text("0.log") == text + "y");
  bench.runtime.reopen = absl::OkStatus();
  REQUIRE(bench.Until([&] { return bench.Files().size() == 2; }));
  bench.runtime.Write("c0", "z");
  CHECK(bench.Text(bench.Files()[1]) == text + "y");
  CHECK(bench.Text("0.log") == "z");
}

TEST_CASE("a reopening that was answered with an error and done nevertheless loses nothing") {
  Bench bench;
  bench.SetPod({0});
  bench.runtime.Open("c0");
  bench.runtime.reopen = absl::DeadlineExceededError("late");
  bench.runtime.reopens_anyway = true;
  bench.Start();
  bench.runtime.Write("c0", std::string(1500, 'x'));
  REQUIRE(bench.Until([&] { return bench.runtime.asked >= 1 && bench.Files().size() == 2; }));
  bench.runtime.Write("c0", "new");
  for (int i = 0; i < 50; ++i) bench.Until([] { return true; });
  CHECK(bench.Text(bench.Files()[1]) == std::string(1500, 'x'));
  CHECK(bench.Text("0.log") == "new");
}

TEST_CASE("a log that is missing is asked for: a kubelet died between renaming and reopening") {
  Bench bench;
  bench.SetPod({0});
  bench.runtime.Open("c0");
  bench.runtime.Write("c0", "before");
  fs::rename(bench.Path(0), bench.Path(0) + ".20200101-000000");
  bench.Start();
  REQUIRE(bench.Until([&] { return fs::exists(bench.Path(0)); }));
  bench.runtime.Write("c0", "after");
  CHECK(bench.Text("0.log.20200101-000000") == "before");
  CHECK(bench.Text("0.log") == "after");
}

TEST_CASE("a runtime that says it reopened a log and has not is asked ever more rarely") {
  Bench bench;
  bench.SetPod({0});
  bench.runtime.paths["c0"] = bench.dir + "/elsewhere/0.log";
  bench.Start();
  REQUIRE(bench.Until([&] { return bench.runtime.asked >= 1; }));
  auto from = bench.clock.Mono();
  REQUIRE(bench.Until([&] { return bench.runtime.asked >= 4; }));
  CHECK(bench.clock.Mono() - from >= 10s);
  bench.runtime.paths["c0"] = bench.Path(0);
  REQUIRE(bench.Until([&] { return fs::exists(bench.Path(0)); }));
}

TEST_CASE("a quiet log is noticed when it is written to, not when the audit comes") {
  Bench bench;
  bench.policy.interval = 1h;
  bench.SetPod({0});
  bench.runtime.Open("c0");
  bench.Start();
  // It gets quiet, and nobody looks any more.
  for (int i = 0; i < 200; ++i) bench.Until([n = 0]() mutable { return n++ > 0; }, 100ms);
  auto before = bench.clock.Mono();
  bench.runtime.Write("c0", std::string(2000, 'x'));
  REQUIRE(bench.Until([&] { return bench.runtime.asked == 1; }));
  CHECK(bench.clock.Mono() - before < 30min);
}

TEST_CASE("only logs of running containers are rotated") {
  Bench bench;
  bench.SetPod({0}, false);
  bench.runtime.Open("c0");
  bench.runtime.Write("c0", std::string(5000, 'x'));
  bench.Start();
  for (int i = 0; i < 100; ++i) bench.Until([n = 0]() mutable { return n++ > 0; });
  CHECK(bench.runtime.asked == 0);
  CHECK(bench.Files() == std::vector<std::string>{"0.log"});
}

TEST_CASE("no limit: nothing is touched") {
  Bench bench;
  bench.policy.max_size = -1;
  bench.SetPod({0});
  bench.runtime.Open("c0");
  bench.runtime.Write("c0", std::string(5000, 'x'));
  bench.Start();
  for (int i = 0; i < 100; ++i) bench.Until([n = 0]() mutable { return n++ > 0; });
  CHECK(bench.runtime.asked == 0);
  bench.policy.max_size = 1000;
  bench.rotator->SetPolicy(bench.policy);
  CHECK(bench.Until([&] { return bench.runtime.asked == 1; }));
}

TEST_CASE("the logs of a container that was removed go when two newer instances are there") {
  Bench bench;
  bench.SetPod({0, 1, 2});
  for (const char* id : {"c0", "c1", "c2"}) bench.runtime.Open(id);
  std::ofstream(bench.Path(0) + ".20200101-000000") << "x";
  bench.Start();
  REQUIRE(bench.Until([&] { return bench.rotator->size() == 3; }));
  CHECK(bench.Files().size() == 4);
  bench.SetPod({1, 2});
  REQUIRE(bench.Until([&] { return bench.Files() == std::vector<std::string>{"1.log", "2.log"}; }));
  // RestartAllContainers removes containers whose logs are asked for afterwards.
  bench.SetPod({2});
  REQUIRE(bench.Until([&] { return bench.rotator->size() == 1; }));
  for (int i = 0; i < 20; ++i) bench.Until([n = 0]() mutable { return n++ > 0; });
  CHECK(bench.Files() == std::vector<std::string>{"1.log", "2.log"});
}

TEST_CASE("all instances of a container that crashes stay within one budget") {
  Bench bench;
  std::ofstream(bench.Path(0)) << std::string(900, 'a');
  std::ofstream(bench.Path(0) + ".20200101-000000") << std::string(900, 'b');
  std::ofstream(bench.Path(1)) << std::string(900, 'c');
  std::ofstream(bench.Path(1) + ".20200101-000000") << std::string(900, 'd');
  bench.SetPod({0, 1, 2});
  bench.runtime.Open("c2");
  bench.runtime.Write("c2", std::string(500, 'e'));
  bench.Start();
  // Three thousand bytes: rotated ones of the oldest first; what has a name of its own stays.
  REQUIRE(bench.Until([&] { return bench.Files().size() == 3; }));
  CHECK(bench.Files() == std::vector<std::string>{"0.log", "1.log", "2.log"});
}

TEST_CASE("the logs of all containers of a pod stay within one budget") {
  Bench bench;
  bench.policy.pod_max_size = 2500;
  bool of_pod = GENERATE(true, false);
  std::string pod = bench.dir + (of_pod ? "/ns_web_uid" : "/logs");
  auto observed = std::make_shared<runtime::ObservedPod>();
  for (const char* name : {"a", "b"}) {
    fs::create_directories(pod + "/" + name);
    runtime::ContainerStatus c;
    c.id = runtime::ContainerId(name);
    c.state = runtime::ContainerState::kRunning;
    c.log_path = pod + "/" + name + "/0.log";
    bench.runtime.paths[name] = c.log_path;
    bench.runtime.Open(name);
    bench.runtime.Write(name, std::string(500, 'x'));
    observed->containers.push_back(c);
  }
  std::string old = pod + "/b/0.log.20200101-000000.gz",
              newer = pod + "/a/0.log.20210101-000000.gz";
  for (const auto& path : {old, newer}) std::ofstream(path) << std::string(900, 'x');
  bench.pod = observed;
  bench.Start();
  if (of_pod) {
    REQUIRE(bench.Until([&] { return !fs::exists(old); }));
  } else {
    for (int i = 0; i < 40; ++i) bench.Until([n = 0]() mutable { return n++ > 0; });
    CHECK(fs::exists(old));  // that directory is not known to be the pod's
  }
  CHECK(fs::exists(newer));
  CHECK(fs::file_size(pod + "/a/0.log") == 500);
  CHECK(fs::file_size(pod + "/b/0.log") == 500);
}

}  // namespace
}  // namespace kubelet::gc
