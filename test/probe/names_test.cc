#include "kubelet/probe/names.h"

#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "await.h"
#include "catch.h"

namespace kubelet::probe {
namespace {

using namespace std::chrono_literals;
using Found = absl::StatusOr<Names::Addresses>;

// A name server that does not answer for some names until it is told to.
struct Server {
  std::mutex mutex;
  std::condition_variable changed;
  std::set<std::string> silent;
  std::map<std::string, int> asked;

  Found Ask(const std::string& host) {
    std::unique_lock lock(mutex);
    ++asked[host];
    changed.wait(lock, [&] { return !silent.contains(host); });
    if (host == "nobody") return absl::UnavailableError("Name or service not known");
    return Names::Addresses{boost::asio::ip::make_address("10.0.0.1")};
  }
  void Answer(const std::string& host) {
    std::lock_guard lock(mutex);
    silent.erase(host);
    changed.notify_all();
  }
  int Asked(const std::string& host) {
    std::lock_guard lock(mutex);
    return asked[host];
  }
};

base::Task<void> Store(base::Task<Found> task, std::optional<Found>* out) {
  *out = co_await std::move(task);
}

// Lookups that hang end with it: what they are stored in is declared before it.
struct NamesBench {
  std::shared_ptr<Server> server = std::make_shared<Server>();
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};
  Names names{io.get_executor(), clock, pool, Options()};
  base::TaskScope scope{io.get_executor()};

  ~NamesBench() {
    for (const char* host : {"dead", "mute", "nobody"}) server->Answer(host);
    test::Settle(io, pool);
  }
  Names::Options Options() const {
    Names::Options options;
    options.resolve = [server = server](const std::string& host) { return server->Ask(host); };
    return options;
  }
  void Find(const std::string& host, base::Nanos timeout, std::optional<Found>* out) {
    scope.Spawn("find", Store(names.Find(host, timeout), out));
  }
  template <typename F>
  void Until(F done) {
    io.restart();
    for (int i = 0; i < 6000 && !done(); ++i) io.run_one_for(10ms);
    REQUIRE(done());
  }
  void Poll() {
    io.restart();
    while (io.poll_one() > 0) {
    }
  }
};

TEST_CASE("a name without an answer fails those who ask for it, and nobody else") {
  std::optional<Found> dead, other, again;
  NamesBench b;
  b.server->silent = {"dead"};
  b.Find("dead", 1s, &dead);
  b.Until([&] { return b.server->Asked("dead") == 1; });
  b.Poll();  // that it has begun is known on the loop
  b.Find("other", 1s, &other);
  b.clock.Advance(1s, [&] { b.Poll(); });
  b.Until([&] { return dead.has_value(); });
  CHECK(absl::IsDeadlineExceeded(dead->status()));
  // Asked anew while the first lookup hangs: no second one, and a timeout of its own.
  b.Find("dead", 1s, &again);
  b.clock.Advance(1s, [&] { b.Poll(); });
  b.Until([&] { return again.has_value(); });
  CHECK(absl::IsDeadlineExceeded(again->status()));
  CHECK(b.server->Asked("dead") == 1);
  // The turn of the other has come by now: it is late, and has not failed.
  b.Until([&] { return other.has_value(); });
  REQUIRE(other->ok());
  CHECK((*other)->front().to_string() == "10.0.0.1");
  CHECK(b.server->Asked("dead") == 1);
}

TEST_CASE("two names without an answer are all that is looked up; a third waits, and has not failed") {
  std::optional<Found> dead, mute, other;
  NamesBench b;
  b.server->silent = {"dead", "mute"};
  b.Find("dead", 1s, &dead);
  b.Until([&] { return b.server->Asked("dead") == 1; });
  b.Find("mute", 1s, &mute);
  b.Find("other", 1s, &other);
  b.clock.Advance(2s, [&] { b.Poll(); });
  b.Until([&] { return b.server->Asked("mute") == 1; });
  b.clock.Advance(60s, [&] { b.Poll(); });
  CHECK_FALSE(other.has_value());
  CHECK(b.server->Asked("other") == 0);
  b.server->Answer("mute");
  b.Until([&] { return other.has_value(); });
  CHECK(other->ok());
}

TEST_CASE("a name that took long to be unknown stays unknown for as long") {
  std::optional<Found> first, second, third;
  NamesBench b;
  b.server->silent = {"nobody"};
  b.Find("nobody", 1s, &first);
  b.Until([&] { return b.server->Asked("nobody") == 1; });
  b.Poll();
  b.clock.Advance(20s, [&] { b.Poll(); });
  b.server->Answer("nobody");
  b.Until([&] { return b.pool.Quiet(); });
  b.Poll();
  b.clock.Advance(19s, [&] { b.Poll(); });
  b.Find("nobody", 1s, &second);
  b.Until([&] { return second.has_value(); });
  CHECK(absl::IsUnavailable(second->status()));
  CHECK(b.server->Asked("nobody") == 1);
  b.clock.Advance(1s, [&] { b.Poll(); });
  b.Find("nobody", 1s, &third);
  b.Until([&] { return third.has_value(); });
  CHECK(b.server->Asked("nobody") == 2);
}

TEST_CASE("a dead name holds one thread of the pool, whoever asks") {
  std::optional<absl::Status> done[3];
  std::optional<Found> found[8];
  NamesBench b;
  b.server->silent = {"dead"};
  for (int i = 0; i < 8; ++i) b.Find(i % 2 == 0 ? "dead" : "other", 1s, &found[i]);
  b.Until([&] { return b.server->Asked("dead") == 1; });
  int ran = 0;
  struct Run {
    static base::Task<void> One(base::BlockingPool& pool, std::string kind,
                                std::optional<absl::Status>* out) {
      std::function<absl::Status()> work = [] { return absl::OkStatus(); };
      *out = co_await pool.RunStatus(std::move(kind), 1s, std::move(work));
    }
  };
  for (auto& out : done)
    b.scope.Spawn("work", Run::One(b.pool, "kind" + std::to_string(ran++), &out));
  b.Until([&] { return done[0] && done[1] && done[2]; });
  for (auto& out : done) CHECK(out->ok());
  CHECK(b.server->Asked("other") == 0);
}

TEST_CASE("what was found, or not found, is told again for a second") {
  NamesBench b;
  for (const char* host : {"web", "nobody"}) {
    std::optional<Found> first, second, third;
    b.Find(host, 1s, &first);
    b.Until([&] { return first.has_value(); });
    b.Find(host, 1s, &second);
    b.Until([&] { return second.has_value(); });
    CHECK(b.server->Asked(host) == 1);
    CHECK(second->status() == first->status());
    b.clock.Advance(1s, [&] { b.Poll(); });
    b.Find(host, 1s, &third);
    b.Until([&] { return third.has_value(); });
    CHECK(b.server->Asked(host) == 2);
  }
}

}  // namespace
}  // namespace kubelet::probe
