// The D-Bus side of graceful shutdown against a peer that answers like logind.
#include "kubelet/os/logind.h"

#include "catch.h"
#include "os/temp_dir.h"

namespace kubelet::os {
namespace {

using namespace std::chrono_literals;

TEST_CASE("the drop-in for logind has whole seconds, rounded up") {
  test::TempDir dir;
  std::string config = dir / "etc/logind.conf.d";
  REQUIRE(WriteInhibitDelay(config, 30s).ok());
  CHECK(test::ReadText(config + "/99-kubelet.conf") ==
        "# Kubelet logind override\n[Login]\nInhibitDelayMaxSec=30\n");
  REQUIRE(WriteInhibitDelay(config, 1500ms).ok());
  CHECK(test::ReadText(config + "/99-kubelet.conf").find("InhibitDelayMaxSec=2\n") !=
        std::string::npos);
}

}  // namespace
}  // namespace kubelet::os

#if __has_include(<systemd/sd-bus.h>)
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <mutex>

#include "os/bus_peer.h"

namespace kubelet::os {
namespace {

using test_bus::HaveLibrary;
using Bools = std::vector<bool>;

class FakeLogind : public test_bus::Peer {
 public:
  FakeLogind() { StartServing(); }
  ~FakeLogind() override {
    StopServing();
    if (reader_ >= 0) close(reader_);
  }
  std::vector<std::string> Log() {
    std::lock_guard lock(mutex_);
    return log_;
  }
  // PrepareForShutdown, as soon as the peer's thread comes to it.
  void Announce(bool begins) {
    std::lock_guard lock(mutex_);
    announce_.push_back(begins);
  }
  bool LockHeld() {
    std::lock_guard lock(mutex_);
    if (reader_ < 0) return false;
    pollfd look{reader_, POLLIN, 0};
    poll(&look, 1, 0);
    return (look.revents & POLLHUP) == 0;
  }
  std::atomic<uint64_t> delay_us{5'000'000};

 protected:
  int Handle(sd_bus_message* message) override {
    const char* member = BUS(sd_bus_message_get_member)(message);
    std::string method = member == nullptr ? "" : member;
    if (method == "Get") return BUS(sd_bus_reply_method_return)(message, "v", "t", delay_us.load());
    std::string line = method;
    char type = 0;
    const char* text = nullptr;
    while (BUS(sd_bus_message_peek_type)(message, &type, nullptr) > 0) {
      if (type == 's' && BUS(sd_bus_message_read_basic)(message, 's', &text) > 0) {
        line += std::string("|") + text;
      } else {
        int32_t number = 0;
        if (BUS(sd_bus_message_read_basic)(message, type, &number) <= 0) break;
        line += "|" + std::to_string(number);
      }
    }
    std::lock_guard lock(mutex_);
    log_.push_back(line);
    if (method != "Inhibit") return BUS(sd_bus_reply_method_return)(message, "");
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
    if (reader_ >= 0) close(reader_);
    reader_ = ends[0];
    int sent = BUS(sd_bus_reply_method_return)(message, "h", ends[1]);
    close(ends[1]);
    return sent;
  }
  void Idle(sd_bus* bus) override {
    std::lock_guard lock(mutex_);
    for (bool begins : announce_) {
      BUS(sd_bus_emit_signal)
      (bus, "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "PrepareForShutdown", "b",
       begins ? 1 : 0);
    }
    announce_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> log_;
  Bools announce_;
  int reader_ = -1;
};

base::Task<void> Into(Logind& logind, base::Executor executor,
                      std::optional<absl::StatusOr<Bools>>* out) {
  *out = co_await logind.Signals(executor);
}

// The next signals; the peer gets a minute.
absl::StatusOr<Bools> Next(
    Logind& logind, const std::function<void()>& meanwhile = [] {}) {
  boost::asio::io_context io{1};
  std::optional<absl::StatusOr<Bools>> out;
  base::TaskScope scope(io.get_executor());
  scope.Spawn("signals", Into(logind, io.get_executor(), &out));
  io.poll();
  meanwhile();
  auto end = std::chrono::steady_clock::now() + 60s;
  while (!out && std::chrono::steady_clock::now() < end) io.run_one_for(50ms);
  REQUIRE(out);
  return *out;
}

TEST_CASE("logind: its delay, a reload, and a lock that is held until its descriptor is closed") {
  if (!HaveLibrary()) return;
  FakeLogind fake;
  auto logind = ConnectLogind(fake.Address());
  REQUIRE(logind.ok());
  auto delay = (*logind)->InhibitDelay();
  REQUIRE(delay.ok());
  CHECK(*delay == 5s);
  CHECK((*logind)->Reload().ok());
  auto lock = (*logind)->Inhibit("because");
  REQUIRE(lock.ok());
  CHECK(fake.LockHeld());
  close(*lock);
  CHECK_FALSE(fake.LockHeld());
  CHECK(fake.Log() == std::vector<std::string>{"KillUnit|systemd-logind.service|all|1",
                                               "Inhibit|shutdown|kubelet|because|delay"});
}

TEST_CASE("logind: signals come in order, also those between two waits") {
  if (!HaveLibrary()) return;
  FakeLogind fake;
  auto logind = ConnectLogind(fake.Address());
  REQUIRE(logind.ok());
  auto first = Next(**logind, [&] { fake.Announce(true); });
  REQUIRE(first.ok());
  CHECK(*first == Bools{true});
  fake.Announce(false);
  fake.Announce(true);
  // A call reads what has come meanwhile; it must not get lost.
  Bools seen;
  while (seen.size() < 2) {
    REQUIRE((*logind)->InhibitDelay().ok());
    auto more = Next(**logind);
    REQUIRE(more.ok());
    seen.insert(seen.end(), more->begin(), more->end());
  }
  CHECK(seen == Bools{false, true});
}

TEST_CASE("logind: a connection that is lost is told") {
  if (!HaveLibrary()) return;
  FakeLogind fake;
  auto logind = ConnectLogind(fake.Address());
  REQUIRE(logind.ok());
  REQUIRE((*logind)->InhibitDelay().ok());
  auto lost = Next(**logind, [&] { fake.drop = true; });
  CHECK(absl::IsUnavailable(lost.status()));
  CHECK_FALSE(ConnectLogind("unix:path=/nonexistent/bus").ok());
}

}  // namespace
}  // namespace kubelet::os
#else
TEST_CASE("logind over D-Bus") {
  std::cerr << "SKIPPED: no systemd/sd-bus.h to play logind with\n";
}
#endif
