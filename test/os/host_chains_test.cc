#include "kubelet/os/host_chains.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <iostream>
#include <map>
#include <set>
#include <thread>

#include "await.h"
#include "catch.h"
#include "kubelet/base/status.h"
#include "os/temp_dir.h"

namespace kubelet::os {
namespace {

using Args = std::vector<std::string>;

// An iptables in memory: chains and rules by table.
struct FakeTables {
  std::map<std::string, std::map<std::string, std::vector<Args>>> tables{
      {"filter", {{"INPUT", {{"first"}}}, {"OUTPUT", {}}}}, {"nat", {}}, {"mangle", {}}};
  int runs = 0;
  int fail_code = 0;

  absl::StatusOr<base::ProcessResult> Run(const Args& args) {
    ++runs;
    base::ProcessResult result;
    result.exit_code = fail_code;
    if (fail_code != 0) {
      result.err = "no permission";
      return result;
    }
    CHECK(Args(args.begin(), args.begin() + 3) == Args{"-w", "5", "-t"});
    auto& chains = tables.at(args.at(3));
    const std::string &what = args.at(4), &chain = args.at(5);
    Args rule(args.begin() + 6, args.end());
    bool there = chains.contains(chain);
    auto& rules = chains[chain];
    if (!there && what != "-N") {
      chains.erase(chain);
      result.exit_code = 1;
    } else if (what == "-N") {
      result.exit_code = there ? 1 : 0;
    } else if (what == "-C") {
      result.exit_code = std::count(rules.begin(), rules.end(), rule) > 0 ? 0 : 1;
    } else if (what == "-I") {
      rules.insert(rules.begin(), rule);
    } else if (what == "-A") {
      rules.push_back(rule);
    }
    return result;
  }
  RunIptables Runner() {
    return [this](const Args& args) { return Run(args); };
  }
};

TEST_CASE("IPv4 gets the hint, the firewall before all other rules, and three canaries; once") {
  FakeTables fake;
  REQUIRE(SyncHostChains(IpFamily::kV4, fake.Runner()).ok());
  CHECK(fake.tables["mangle"].contains("KUBE-IPTABLES-HINT"));
  for (const char* table : {"mangle", "nat", "filter"})
    CHECK(fake.tables[table].contains("KUBE-KUBELET-CANARY"));
  CHECK(fake.tables["filter"]["INPUT"] == std::vector<Args>{{"-j", "KUBE-FIREWALL"}, {"first"}});
  CHECK(fake.tables["filter"]["OUTPUT"] == std::vector<Args>{{"-j", "KUBE-FIREWALL"}});
  CHECK(fake.tables["filter"]["KUBE-FIREWALL"].size() == 1);
  auto once = fake.tables;
  REQUIRE(SyncHostChains(IpFamily::kV4, fake.Runner()).ok());
  CHECK(fake.tables == once);
}

TEST_CASE("IPv6 gets no firewall") {
  FakeTables fake;
  REQUIRE(SyncHostChains(IpFamily::kV6, fake.Runner()).ok());
  CHECK(fake.tables["mangle"].contains("KUBE-IPTABLES-HINT"));
  CHECK_FALSE(fake.tables["filter"].contains("KUBE-FIREWALL"));
  CHECK(fake.tables["filter"]["INPUT"].size() == 1);
}

TEST_CASE("a run that fails is named with what it printed") {
  FakeTables fake;
  fake.fail_code = 4;
  auto status = SyncHostChains(IpFamily::kV4, fake.Runner());
  CHECK(absl::IsInternal(status));
  CHECK(base::Message(status) ==
        "iptables -t mangle -N KUBE-IPTABLES-HINT: exit code 4: no permission");
  CHECK(absl::IsInternal(CanaryAlive(fake.Runner()).status()));
}

struct Keeper {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};
  FakeTables v4;
  int missing = 0;  // runs of the program that is not there
  int rounds = 0;
  HostChains chains;
  test::LastTurns last_turns{io};
  base::TaskScope scope{io.get_executor()};

  Keeper() : chains(clock, pool, Options()) { scope.Spawn("chains", chains.Run()); }
  HostChains::Options Options() {
    HostChains::Options options;
    options.v4 = v4.Runner();
    options.v6 = [this](const Args&) -> absl::StatusOr<base::ProcessResult> {
      ++missing;
      return absl::NotFoundError("run ip6tables");
    };
    options.on_round = [this] { ++rounds; };
    return options;
  }
  void Settle(int wanted) {
    while (rounds < wanted) {
      io.restart();
      io.run_one();
    }
    io.restart();
    io.poll();
  }
};

TEST_CASE("the canary is looked for each minute; when it is gone all is made again") {
  Keeper k;
  k.Settle(1);
  CHECK(k.v4.runs == 11);
  CHECK(k.missing == 1);
  k.clock.Advance(std::chrono::minutes(1));
  k.Settle(2);
  CHECK(k.v4.runs == 12);
  k.v4.tables["mangle"].clear();
  k.v4.tables["filter"]["INPUT"].clear();
  k.clock.Advance(std::chrono::minutes(1));
  k.Settle(3);
  CHECK(k.v4.tables["mangle"].contains("KUBE-KUBELET-CANARY"));
  CHECK(k.v4.tables["filter"]["INPUT"] == std::vector<Args>{{"-j", "KUBE-FIREWALL"}});
  CHECK(k.missing == 1);  // given up
}

TEST_CASE("rules that cannot be made are tried again each minute") {
  Keeper k;
  k.v4.fail_code = 4;
  k.Settle(1);
  CHECK(k.v4.runs == 1);
  k.v4.fail_code = 0;
  k.clock.Advance(std::chrono::minutes(1));
  k.Settle(2);
  CHECK(k.v4.tables["mangle"].contains("KUBE-KUBELET-CANARY"));
}

TEST_CASE("the machine's own iptables, in a network namespace of this test") {
  if (!test::NeedsRoot("a network namespace")) return;
  std::string skipped, rules;
  absl::Status first, second;
  absl::StatusOr<bool> before = false, after = false, flushed = false;
  // Programs inherit the namespace of the thread that starts them; it goes with the thread.
  std::thread([&] {
    auto run = IptablesProgram("iptables");
    if (unshare(CLONE_NEWNET) != 0) {
      skipped = "no network namespaces";
      return;
    }
    auto usable = run({"-t", "mangle", "-S"});
    if (!usable.ok() || usable->exit_code != 0) {
      skipped =
          "no iptables that works: " + (usable.ok() ? usable->err : base::Message(usable.status()));
      return;
    }
    before = CanaryAlive(run);
    first = SyncHostChains(IpFamily::kV4, run);
    second = SyncHostChains(IpFamily::kV4, run);
    after = CanaryAlive(run);
    rules = run({"-S"})->out;
    (void)run({"-t", "mangle", "-X"});
    flushed = CanaryAlive(run);
  }).join();
  if (!skipped.empty()) {
    std::cerr << "SKIPPED: " << skipped << "\n";
    return;
  }
  INFO(first << second);
  REQUIRE(first.ok());
  REQUIRE(second.ok());
  CHECK_FALSE(*before);
  CHECK(*after);
  CHECK_FALSE(*flushed);
  auto count = [&](const std::string& line) {
    size_t n = 0;
    for (size_t at = rules.find(line); at != std::string::npos; at = rules.find(line, at + 1)) ++n;
    return n;
  };
  INFO(rules);
  CHECK(count("-A INPUT -j KUBE-FIREWALL\n") == 1);
  CHECK(count("-A OUTPUT -j KUBE-FIREWALL\n") == 1);
  CHECK(count("-A KUBE-FIREWALL ") == 1);
  CHECK(count("-d 127.0.0.0/8 -m comment --comment \"block incoming localnet connections\"") == 1);
}

}  // namespace
}  // namespace kubelet::os
