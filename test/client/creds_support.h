// What the tests of credentials share: a loop turned by hand, a directory, a certificate authority.
#pragma once

#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "catch.h"
#include "client/x509.h"
#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/clock.h"

namespace kubelet::client::support {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

struct TempDir {
  TempDir() {
    std::string name = (fs::temp_directory_path() / "kubelet_creds_XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~TempDir() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  std::string operator/(const std::string& name) const { return path + "/" + name; }
  std::string path;
};

inline void Write(const std::string& path, const std::string& text, unsigned mode = 0644) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  ::chmod(path.c_str(), mode);
}

inline std::string Read(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

inline unsigned ModeOf(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

inline bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct Loop {
  // What a round takes when nothing else runs.
  Loop() { quiet_round_ = std::max(Round(), Round()); }
  // Tasks that were cancelled at the end of a test still have to end.
  ~Loop() {
    for (int quiet = 0; quiet < 3;) {
      io.restart();
      quiet = io.run_one_for(5ms) == 0 ? quiet + 1 : 0;
    }
  }
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {1, 1}};

  // Until `done` holds; work of pool threads is waited for, time does not move.
  void RunUntil(const std::function<bool()>& done) {
    auto limit = std::chrono::steady_clock::now() + 20s;
    for (;;) {
      io.restart();
      io.poll();
      if (done()) return;
      REQUIRE(std::chrono::steady_clock::now() < limit);
      io.restart();
      io.run_one_for(2ms);
    }
  }
  // Moves the clock in steps of half a second (10 s when it is long) until `done` holds, at most
  // `limit`.
  bool AdvanceUntil(const std::function<bool()>& done, base::Nanos limit) {
    base::Nanos step = limit > 5min ? base::Nanos(10s) : base::Nanos(500ms);
    for (base::Nanos gone{}; gone <= limit; gone += step) {
      Settle();
      if (done()) return true;
      clock.Advance(step, [this] { Settle(); });
    }
    return false;
  }
  void Pass(base::Nanos d) {
    clock.Advance(d, [this] { Settle(); });
  }
  // Runs what is ready, work of the pool included. The pool has one thread and does its work in
  // order: when a piece of no work is done, so is all before it.
  void Settle() {
    while (Round() > quiet_round_) {
    }
  }

 private:
  size_t Round() {
    io.restart();
    size_t handlers = io.poll();
    bool done = false;
    base::TaskScope scope(io.get_executor());
    scope.Spawn("marker", Marker(pool, done));
    auto limit = std::chrono::steady_clock::now() + 20s;
    while (!done) {
      REQUIRE(std::chrono::steady_clock::now() < limit);
      io.restart();
      handlers += io.run_one_for(20ms);
    }
    io.restart();
    return handlers + io.poll();
  }
  static base::Task<void> Marker(base::BlockingPool& pool, bool& done) {
    std::function<absl::Status()> nothing = [] { return absl::OkStatus(); };
    auto ignored =
        co_await pool.RunStatus("marker", std::chrono::hours(1'000'000), std::move(nothing));
    done = ignored.ok();
  }
  size_t quiet_round_ = 0;

 public:
  template <typename T>
  static base::Task<void> Keep(base::Task<T> task, std::optional<T>& out) {
    T value = co_await std::move(task);
    out.emplace(std::move(value));
  }
  static base::Task<void> KeepVoid(base::Task<void> task, bool& done) {
    co_await std::move(task);
    done = true;
  }
  template <typename T>
  T Await(base::Task<T> task) {
    std::optional<T> out;
    base::TaskScope scope(io.get_executor());
    scope.Spawn("await", Keep<T>(std::move(task), out));
    RunUntil([&out] { return out.has_value(); });
    return *std::move(out);
  }
  void AwaitVoid(base::Task<void> task) {
    bool done = false;
    base::TaskScope scope(io.get_executor());
    scope.Spawn("await", KeepVoid(std::move(task), done));
    RunUntil([&done] { return done; });
  }
};

// Signs what it is asked to; keys and certificates are made at run time.
class TestCa {
 public:
  TestCa();
  // Alternative names of the request are copied.
  std::string Sign(const std::string& csr_pem, base::WallTime from, base::WallTime to) const;
  PemPair Issue(const CsrTemplate& want, base::WallTime from, base::WallTime to) const;
  PemPair Issue(const std::string& common_name, base::WallTime from, base::WallTime to) const;
  const std::string& pem() const { return pem_; }

 private:
  KeyPtr key_;
  CertPtr certificate_;
  std::string pem_;
};

}  // namespace kubelet::client::support
