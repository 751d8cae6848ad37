// Graceful shutdown with a logind in memory; time is turned by hand, the pool's threads are real.
#include "kubelet/node/shutdown.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "await.h"
#include "catch.h"
#include "kubelet/base/metrics.h"
#include "kubelet/base/promise.h"
#include "node/shutdown_state.h"

namespace kubelet::node {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Strings = std::vector<std::string>;
using Bools = std::vector<bool>;

api::PodPtr Pod(const std::string& name, std::optional<int> priority = {}, int grace = 30) {
  auto pod = std::make_shared<api::core::Pod>();
  pod->mutable_metadata()->set_name(name);
  pod->mutable_metadata()->set_uid(name);
  if (priority) pod->mutable_spec()->set_priority(*priority);
  pod->mutable_spec()->set_termination_grace_period_seconds(grace);
  return pod;
}

TEST_CASE("two periods make two groups") {
  using Groups = std::vector<ShutdownGroup>;
  CHECK(GroupsOf(0s, 0s).empty());
  CHECK(GroupsOf(10s, 20s).empty());
  CHECK(GroupsOf(30s, 10s) == Groups{{0, 20s}, {2000000000, 10s}});
  CHECK(GroupsOf(30s, 0s) == Groups{{0, 30s}, {2000000000, 0s}});
}

TEST_CASE("each pod ends with the highest group that is not above it, the lowest first") {
  std::vector<ShutdownGroup> groups = {{1000, 3s}, {-5, 1s}, {10, 2s}, {5000, 4s}};
  std::vector<api::PodPtr> pods = {
      Pod("system", 2000000000), Pod("none"),    Pod("ten", 10), Pod("nine", 9),
      Pod("low", -99),           Pod("big", 999)};
  std::string text;
  for (const auto& batch : PlanShutdown(groups, pods)) {
    text += std::to_string(batch.group.priority) + ":";
    for (const auto& pod : batch.pods) text += " " + pod->metadata().name();
    text += "\n";
  }
  CHECK(text == "-5: none nine low\n10: ten big\n5000: system\n");
  CHECK(PlanShutdown({}, pods).empty());
}

TEST_CASE("the state file is upstream's") {
  std::string name = (fs::temp_directory_path() / "kubelet-shutdown-XXXXXX").string();
  std::string dir = mkdtemp(name.data()), path = dir + "/state";
  auto none = LoadShutdownState(path);
  REQUIRE(none.ok());
  CHECK_FALSE(none->start);
  auto start = base::WallFromUnixNanos(1'700'000'000'500'000'000);
  REQUIRE(StoreShutdownState(path, {start, std::nullopt}).ok());
  std::string text;
  std::getline(std::ifstream(path), text);
  CHECK(text.find("\"endTime\":\"0001-01-01T00:00:00Z\"}") != std::string::npos);
  auto begun = LoadShutdownState(path);
  REQUIRE(begun.ok());
  CHECK(begun->start == start);
  CHECK_FALSE(begun->end);
  REQUIRE(StoreShutdownState(path, {start, start + 7s}).ok());
  CHECK(LoadShutdownState(path)->end == start + 7s);
  // As Go writes it, with a zone of its own.
  std::ofstream(path)
      << R"({"startTime":"2023-11-14T23:13:20.5+01:00","endTime":"0001-01-01T00:00:00Z"})";
  CHECK(LoadShutdownState(path)->start == start);
  std::ofstream(path) << R"({"startTime":"yesterday"})";
  auto bad = LoadShutdownState(path);
  CHECK(absl::IsInvalidArgument(bad.status()));
  CHECK(std::string(bad.status().message()).find("startTime") != std::string::npos);
  fs::remove_all(dir);
}

// What all connections to the fake share.
struct World {
  base::Nanos delay = 60s;
  bool reload_helps = true;
  bool there = true;
  Strings log;  // appended to on pool threads, one call at a time
  int reader = -1;
  std::atomic<int> locks{0};  // also read while a call is under way
  std::unique_ptr<base::Promise<absl::StatusOr<Bools>>> waiting;
  bool Held() const {
    char byte = 0;
    return reader >= 0 && read(reader, &byte, 1) < 0 && errno == EAGAIN;
  }
};

class FakeLogind : public os::Logind {
 public:
  explicit FakeLogind(World& world) : world_(world) {}
  absl::StatusOr<base::Nanos> InhibitDelay() override {
    world_.log.push_back("delay");
    return world_.delay;
  }
  absl::Status Reload() override {
    world_.log.push_back("reload");
    if (world_.reload_helps) world_.delay = 60s;
    return absl::OkStatus();
  }
  absl::StatusOr<int> Inhibit(const std::string&) override {
    world_.log.push_back("lock");
    ++world_.locks;
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    if (world_.reader >= 0) close(world_.reader);
    world_.reader = ends[0];
    return ends[1];
  }
  base::Task<absl::StatusOr<Bools>> Signals(base::Executor executor) override {
    base::Promise<absl::StatusOr<Bools>> promise(executor);
    world_.waiting = std::make_unique<base::Promise<absl::StatusOr<Bools>>>(promise);
    promise.OnCancel([promise] { promise.Set(absl::CancelledError("the watch has ended")); });
    auto signals = co_await promise.Get();
    co_await base::LeaveIfCancelled();
    co_return signals;
  }

 private:
  World& world_;
};

struct Rig {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};
  base::Registry metrics;
  World world;
  std::vector<api::PodPtr> pods;
  std::set<std::string> cleaned;
  Strings log;
  Shutdown::Options options;
  bool written = true;
  std::string dir;
  std::unique_ptr<Shutdown> made;

  Rig() {
    std::string name = (fs::temp_directory_path() / "kubelet-shutdown-XXXXXX").string();
    dir = mkdtemp(name.data());
    options.groups = {{0, 20s}, {2000000000, 10s}};
    options.state_file = dir + "/state";
    options.logind_config_dir = dir + "/logind";
  }
  ~Rig() {
    test::Settle(io, pool);
    made.reset();
    Turn();
    if (world.reader >= 0) close(world.reader);
    fs::remove_all(dir);
  }
  Shutdown& shutdown() {
    if (made) return *made;
    Shutdown::Deps deps{io.get_executor(), clock, pool};
    deps.connect = [this]() -> absl::StatusOr<std::unique_ptr<os::Logind>> {
      if (!world.there) return absl::UnavailableError("connect to the system bus: no such file");
      return std::make_unique<FakeLogind>(world);
    };
    deps.pods = [this] { return pods; };
    deps.end = [this](const api::PodPtr& pod, std::chrono::seconds grace) {
      log.push_back("end " + pod->metadata().name() + " " + std::to_string(grace.count()));
    };
    deps.start_again = [this](const std::string& uid) { log.push_back("again " + uid); };
    deps.cleaned_up = [this](const std::string& uid) { return cleaned.contains(uid); };
    deps.statuses_written = [this] { return written; };
    deps.on_change = [this] { log.push_back("changed"); };
    deps.on_event = [this](const NodeEvent& event) {
      log.push_back(event.reason + ": " + event.message);
    };
    deps.metrics = &metrics;
    made = std::make_unique<Shutdown>(std::move(deps), options);
    made->Start();
    return *made;
  }
  void Turn() {
    io.restart();
    io.poll();
  }
  // Time passes only while nothing else can go on; the pool's threads get a minute.
  bool Until(const std::function<bool()>& done, base::Nanos step = 10ms) {
    auto limit = std::chrono::steady_clock::now() + 60s;
    auto work = boost::asio::make_work_guard(io);
    io.restart();
    while (!done()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      if (io.run_one_for(5ms) == 0) clock.Advance(step, [this] { Turn(); });
      io.restart();
    }
    return true;
  }
  void Watching() {
    shutdown();
    REQUIRE(Until([&] { return world.waiting != nullptr; }));
  }
  void Signal(bool begins) {
    auto promise = std::move(world.waiting);
    Bools one = {begins};
    promise->Set(absl::StatusOr<Bools>(one));
  }
  bool Logged(const std::string& line) const {
    return std::find(log.begin(), log.end(), line) != log.end();
  }
  void Clean(const std::string& uid) {
    cleaned.insert(uid);
    shutdown().PodGone(uid);
  }
};

TEST_CASE("groups end one after the other, and the lock goes when all are done") {
  Rig rig;
  rig.pods = {Pod("web"), Pod("slow", 5, 60), Pod("system", 2000000000, 60)};
  rig.Watching();
  CHECK(rig.world.Held());
  CHECK_FALSE(rig.shutdown().shutting_down());
  CHECK(rig.shutdown().Explain().empty());
  rig.Signal(true);
  REQUIRE(rig.Until([&] { return rig.Logged("end slow 20"); }));
  CHECK(rig.log == Strings{"Shutdown: Shutdown manager detected shutdown event", "changed",
                           "end web 20", "end slow 20"});
  CHECK(rig.shutdown().shutting_down());
  CHECK(rig.shutdown().Explain().find("it is shutting down") == 0);
  rig.Clean("web");
  rig.Turn();
  CHECK_FALSE(rig.Logged("end system 10"));
  rig.Clean("slow");
  REQUIRE(rig.Until([&] { return rig.Logged("end system 10"); }));
  CHECK(rig.world.Held());
  rig.written = false;
  rig.Clean("system");
  rig.Turn();
  CHECK(rig.world.Held());
  rig.written = true;
  REQUIRE(rig.Until([&] { return !rig.world.Held(); }));
  CHECK(rig.shutdown().shutting_down());
  auto state = LoadShutdownState(rig.options.state_file);
  REQUIRE(state.ok());
  CHECK(state->start);
  CHECK(state->end);
  CHECK(rig.metrics.Render().find("kubelet_graceful_shutdown_end_time_seconds 17") !=
        std::string::npos);
}

TEST_CASE("a pod that does not end delays its group's successors for the group's time only") {
  Rig rig;
  rig.pods = {Pod("stuck"), Pod("system", 2000000000)};
  rig.Watching();
  rig.Signal(true);
  REQUIRE(rig.Until([&] { return rig.Logged("end stuck 20"); }));
  auto began = rig.clock.Mono();
  REQUIRE(rig.Until([&] { return rig.Logged("end system 10"); }, 100ms));
  CHECK(rig.clock.Mono() - began >= 20s);
  CHECK(rig.clock.Mono() - began < 22s);
}

TEST_CASE("a shutdown that is called off: ready again, with a new lock") {
  Rig rig;
  rig.Watching();
  rig.Signal(true);
  REQUIRE(rig.Until([&] { return !rig.world.Held(); }));
  REQUIRE(rig.Until([&] { return rig.world.waiting != nullptr; }));
  rig.Signal(false);
  REQUIRE(rig.Until([&] { return rig.world.locks == 2 && rig.world.waiting != nullptr; }));
  CHECK(rig.world.Held());
  CHECK_FALSE(rig.shutdown().shutting_down());
  CHECK(rig.Logged("Shutdown: Shutdown manager detected shutdown cancellation"));
}

TEST_CASE("static pods that a shutdown ended start again when it is called off, others do not") {
  Rig rig;
  auto made = std::make_shared<api::core::Pod>(*Pod("static"));
  (*made->mutable_metadata()->mutable_annotations())["kubernetes.io/config.source"] = "file";
  rig.pods = {Pod("web"), made};
  rig.Watching();
  rig.Signal(true);
  REQUIRE(rig.Until([&] { return rig.Logged("end static 20"); }));
  rig.Clean("web");
  rig.Clean("static");
  REQUIRE(rig.Until([&] { return rig.world.waiting != nullptr; }));
  CHECK_FALSE(rig.Logged("again static"));
  rig.log.clear();
  rig.Signal(false);
  REQUIRE(rig.Until([&] { return rig.world.locks == 2 && rig.world.waiting != nullptr; }));
  CHECK(rig.log == Strings{"Shutdown: Shutdown manager detected shutdown cancellation", "changed",
                           "again static"});
  // Once for each time.
  rig.pods.clear();
  rig.Signal(true);
  REQUIRE(rig.Until([&] { return rig.world.waiting != nullptr; }));
  rig.log.clear();
  rig.Signal(false);
  REQUIRE(rig.Until([&] { return rig.world.locks == 3; }));
  CHECK_FALSE(rig.Logged("again static"));
}

TEST_CASE("a delay that is too short is stretched by a drop-in") {
  bool helps = GENERATE(true, false);
  Rig rig;
  rig.world.delay = 5s;
  rig.world.reload_helps = helps;
  rig.Watching();
  std::ifstream file(rig.options.logind_config_dir + "/99-kubelet.conf");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  CHECK(text.find("InhibitDelayMaxSec=30") != std::string::npos);
  Strings want = {"delay", "reload", "delay"};
  if (!helps) want.insert(want.end(), 4, "delay");
  want.push_back("lock");  // also when it stays too short: better some time than none
  CHECK(rig.world.log == want);
}

TEST_CASE("a bus that is not there is waited for, and told of") {
  Rig rig;
  rig.world.there = false;
  rig.shutdown();
  REQUIRE(rig.Until([&] { return !rig.shutdown().Explain().empty(); }));
  CHECK(rig.shutdown().Explain() ==
        "a shutdown would not be noticed: connect to the system bus: no such file");
  rig.world.there = true;
  rig.Watching();
  CHECK(rig.shutdown().Explain().empty());
  // A connection that is lost takes its lock along, and is made again.
  auto promise = std::move(rig.world.waiting);
  promise->Set(absl::UnavailableError("connection to the system bus: lost"));
  REQUIRE(rig.Until([&] { return rig.world.locks == 2 && rig.world.waiting != nullptr; }));
}

TEST_CASE("without periods nothing is asked of logind") {
  Rig rig;
  rig.options.groups.clear();
  rig.shutdown();
  rig.clock.Advance(10s, [&] { rig.Turn(); });
  CHECK(rig.world.log.empty());
}

TEST_CASE("the metrics remember the last shutdown over a restart") {
  Rig rig;
  auto start = base::WallFromUnixNanos(1'600'000'000'000'000'000);
  REQUIRE(StoreShutdownState(rig.options.state_file, {start, std::nullopt}).ok());
  rig.Watching();
  CHECK(rig.metrics.Render().find("kubelet_graceful_shutdown_start_time_seconds 1600000000\n") !=
        std::string::npos);
}

}  // namespace
}  // namespace kubelet::node
