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

namespace kubelet::client::test {

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
  // Tasks that were cancelled at the end of a test still have to end.
  ~Loop() {
    for (int quiet = 0; quiet < 3;) {
      io.restart();
      quiet = io.run_one_for(5ms) == 0 ? quiet + 1 : 0;
    }
  }
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};

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
  // Moves the clock in steps of a tenth of a second until `done` holds, at most `limit`.
  bool AdvanceUntil(const std::function<bool()>& done, base::Nanos limit) {
    for (base::Nanos gone{}; gone <= limit; gone += 500ms) {
      Settle();
      if (done()) return true;
      clock.Advance(500ms, [this] { Settle(); });
    }
    return false;
  }
  // Runs what is ready, work of the pool included: until nothing was for a while.
  void Settle() {
    for (int quiet = 0; quiet < 2;) {
      io.restart();
      size_t n = io.poll();
      if (n == 0) {
        io.restart();
        n = io.run_one_for(1ms);
      }
      quiet = n == 0 ? quiet + 1 : 0;
    }
  }
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

}  // namespace kubelet::client::test
