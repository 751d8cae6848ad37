// What the tests of the sources share: a loop turned by hand, a directory of manifests, a file
// source in it.
#pragma once

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "catch.h"
#include "kubelet/api/pod.h"
#include "source/file_source.h"

namespace kubelet::source {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

struct TempDir {
  TempDir() {
    std::string name = (fs::temp_directory_path() / "kubelet_source_XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~TempDir() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  std::string path;
};

inline std::string Manifest(const std::string& name, const std::string& image = "nginx:1.25",
                            const std::string& uid = "") {
  return "apiVersion: v1\nkind: Pod\nmetadata:\n  name: " + name + "\n" +
         (uid.empty() ? "" : "  uid: " + uid + "\n") +
         "spec:\n  containers:\n  - name: c\n    image: \"" + image + "\"\n";
}

inline void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

struct Loop {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};

  // Until `done` holds; work of pool threads and sockets is waited for, time does not move.
  void RunUntil(const std::function<bool()>& done) {
    auto limit = std::chrono::steady_clock::now() + 30s;
    for (;;) {
      io.restart();
      io.poll();
      if (done()) return;
      REQUIRE(std::chrono::steady_clock::now() < limit);
      io.restart();
      io.run_one_for(10ms);
    }
  }
};

// A file source over a fresh directory, and everything it said.
struct FileBench {
  TempDir root;
  std::string dir = root.path + "/manifests";
  Loop loop;
  FileSourceOptions options;
  std::vector<Snapshot> snapshots;
  int problem_changes = 0;
  std::unique_ptr<FileSource> source;
  std::unique_ptr<base::TaskScope> stopper;

  FileBench() {
    fs::create_directory(dir);
    options.path = dir;
    options.node_name = "node";
    options.state_dir = root.path + "/state";
  }
  ~FileBench() { Stop(); }

  void Start() {
    SourceDeps deps{loop.io.get_executor(), loop.clock, loop.pool, {}, {}};
    deps.on_snapshot = [this](const Snapshot& s) { snapshots.push_back(s); };
    deps.on_problem_change = [this] { ++problem_changes; };
    source = std::make_unique<FileSource>(options, deps);
    source->Start();
    loop.RunUntil([this] { return source->looks() > 0 && source->idle(); });
  }
  static base::Task<void> StopAndMark(FileSource& source, bool& stopped) {
    co_await source.Stop();
    stopped = true;
  }
  void Stop() {
    if (!source) return;
    bool stopped = false;
    stopper = std::make_unique<base::TaskScope>(loop.io.get_executor());
    stopper->Spawn("stop", StopAndMark(*source, stopped));
    loop.RunUntil([&] { return stopped; });
    source.reset();
  }
  void Restart() {
    Stop();
    snapshots.clear();
    Start();
  }
  // Events that are there already are taken, and what follows from them without time passing.
  void Poll() {
    loop.RunUntil([this] { return source->idle(); });
  }
  void Advance(base::Nanos d) {
    loop.clock.Advance(d, [this] { Poll(); });
  }
  // Long enough for every debounce, shorter than the period of the full list.
  void Settle() { Advance(1100ms); }

  void Write(const std::string& name, const std::string& text) {
    WriteFile(dir + "/" + name, text);
  }
  void Remove(const std::string& name) { fs::remove(dir + "/" + name); }
  void Move(const std::string& from, const std::string& to) {
    fs::rename(dir + "/" + from, dir + "/" + to);
  }

  std::map<std::string, std::string> Uids() const {
    std::map<std::string, std::string> out;
    REQUIRE_FALSE(snapshots.empty());
    for (const auto& pod : snapshots.back().pods) out[api::PodKey(*pod)] = pod->metadata().uid();
    return out;
  }
  std::string Uid(const std::string& name) const {
    auto uids = Uids();
    auto it = uids.find("default/" + name + "-node");
    return it == uids.end() ? "" : it->second;
  }
  api::PodPtr Pod(const std::string& name) const {
    for (const auto& pod : snapshots.back().pods) {
      if (pod->metadata().name() == name + "-node") return pod;
    }
    return nullptr;
  }
  std::string Problems() const {
    std::string out;
    for (const auto& p : source->problems()) {
      out += p.origin + " [" + p.pod + "] " + p.text + (p.kept ? " (kept)" : "") + "\n";
    }
    return out;
  }
  size_t Checkpoints() const {
    std::error_code ec;
    size_t n = 0;
    for (const auto& entry : fs::directory_iterator(options.state_dir + "/static_pods", ec))
      n += entry.exists();
    return n;
  }
};

inline bool Contains(const std::string& text, const std::string& what) {
  return text.find(what) != std::string::npos;
}

}  // namespace kubelet::source
