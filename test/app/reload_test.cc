#include "app/reload.h"

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "catch.h"

namespace kubelet::app {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

struct ReloadBench {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};
  std::string dir, file;
  std::vector<std::string> args;
  config::LoadedConfig config;
  int applied = 0;
  std::unique_ptr<Reload> reload;

  explicit ReloadBench(std::vector<std::string> more = {}) {
    std::string name = (fs::temp_directory_path() / "kubelet-reload-XXXXXX").string();
    dir = mkdtemp(name.data());
    file = dir + "/config.yaml";
    Write("");
    args = {"--config=" + file};
    args.insert(args.end(), more.begin(), more.end());
    auto line = config::ParseCommandLine(args);
    REQUIRE(line.ok());
    auto loaded = config::Load(*line, config::FileReader());
    INFO(loaded.status());
    REQUIRE(loaded.ok());
    config = *loaded;
    Reload::Deps deps{io.get_executor(), clock, pool, args, config};
    deps.live["containerLogMaxFiles"] = deps.live["logging.verbosity"] = [this] { ++applied; };
    reload = std::make_unique<Reload>(std::move(deps));
    reload->Start();
  }
  ~ReloadBench() {
    if (reload) {
      bool stopped = false;
      base::TaskScope scope(io.get_executor());
      scope.Spawn("stop", StopIt(&stopped));
      Until([&] { return stopped; });
    }
    reload.reset();
    Run();
    fs::remove_all(dir);
  }
  void Write(const std::string& fields) const {
    std::ofstream(file) << "apiVersion: kubelet.config.k8s.io/v1beta1\n"
                           "kind: KubeletConfiguration\nstaticPodPath: /etc/manifests\n"
                        << fields;
  }
  base::Task<void> StopIt(bool* stopped) {
    co_await reload->Stop();
    *stopped = true;
  }
  void Run() {
    io.restart();
    io.poll();
  }
  template <typename Condition>
  bool Until(Condition condition) {
    auto limit = std::chrono::steady_clock::now() + 20s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      clock.Advance(100ms, [this] { Run(); });
      io.restart();
      io.run_one_for(2ms);
    }
    return true;
  }
  // Reads it now.
  void Again() {
    auto before = reload->last() ? reload->last()->at : base::WallTime();
    reload->Trigger();
    REQUIRE(Until([&] { return reload->last() && reload->last()->at != before; }));
  }
};

TEST_CASE("what can be taken over is, and the rest is told") {
  ReloadBench bench;
  CHECK(bench.reload->Report() == "The configuration is that of the start of this process.\n");
  bench.Write("containerLogMaxFiles: 9\nmaxPods: 77\n");
  bench.Again();
  CHECK(bench.reload->last()->taken == std::vector<std::string>{"containerLogMaxFiles"});
  CHECK(bench.reload->last()->restart == std::vector<std::string>{"maxPods"});
  CHECK(bench.applied == 1);
  CHECK(bench.config.kubelet.container_log_max_files() == 9);
  CHECK(bench.config.kubelet.max_pods() == 110);
  CHECK(bench.reload->Report().find("  taken     containerLogMaxFiles\n  restart   needed for "
                                    "maxPods\n") != std::string::npos);
  bench.Again();  // nothing new, and the restart is still needed
  CHECK(bench.reload->last()->taken.empty());
  CHECK(bench.reload->last()->restart == std::vector<std::string>{"maxPods"});
  CHECK(bench.applied == 1);
  bench.Write("");  // back to the default
  bench.Again();
  CHECK(bench.config.kubelet.container_log_max_files() == 5);
  CHECK(bench.reload->last()->restart.empty());
}

TEST_CASE("a file that is no good changes nothing") {
  ReloadBench bench;
  bench.Write("containerLogMaxFiles: 9\nmaxPods: -1\n");
  bench.Again();
  CHECK_FALSE(bench.reload->last()->status.ok());
  CHECK(bench.config.kubelet.container_log_max_files() == 5);
  CHECK(bench.applied == 0);
  CHECK(bench.reload->Report().find("maxPods") != std::string::npos);
  fs::remove(bench.file);
  bench.Again();
  CHECK_FALSE(bench.reload->last()->status.ok());
  bench.Write("containerLogMaxFiles: 9\n");
  bench.Again();
  CHECK(bench.reload->last()->status.ok());
  CHECK(bench.applied == 1);
}

TEST_CASE("a flag goes before the file, also later") {
  ReloadBench bench({"--v=3"});
  bench.Write("logging:\n  verbosity: 7\n");
  bench.Again();
  CHECK(bench.reload->last()->taken.empty());
  CHECK(bench.config.kubelet.logging().verbosity() == 3);
}

TEST_CASE("a file that changes is read by itself") {
  ReloadBench bench;
  bench.Until([n = 0]() mutable { return n++ > 20; });  // the watch stands
  bench.Write("containerLogMaxFiles: 8\n");
  CHECK(bench.Until([&] { return bench.config.kubelet.container_log_max_files() == 8; }));
  std::ofstream(bench.dir + "/other") << "apiVersion: x\n";
  // Replaced, as tools do it.
  std::string before = bench.file;
  bench.file = bench.dir + "/new";
  bench.Write("containerLogMaxFiles: 7\n");
  fs::rename(bench.file, before);
  CHECK(bench.Until([&] { return bench.config.kubelet.container_log_max_files() == 7; }));
}

}  // namespace
}  // namespace kubelet::app
