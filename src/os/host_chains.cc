#include "kubelet/os/host_chains.h"

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::os {
namespace {

using Args = std::vector<std::string>;

constexpr char kHint[] = "KUBE-IPTABLES-HINT";
constexpr char kFirewall[] = "KUBE-FIREWALL";
constexpr char kCanary[] = "KUBE-KUBELET-CANARY";
// The program itself waits for its lock.
constexpr char kLockSeconds[] = "5";
constexpr auto kRunTimeout = std::chrono::seconds(20);
constexpr auto kLookTimeout = std::chrono::minutes(3);

absl::StatusOr<int> ExitCode(const RunIptables& run, Args args, std::string* printed) {
  args.insert(args.begin(), {"-w", kLockSeconds});
  auto result = run(args);
  if (!result.ok()) return result.status();
  *printed = result->err;
  return result->exit_code;
}

absl::Status Failed(const Args& args, int code, const std::string& printed) {
  std::string line = "iptables";
  for (const auto& arg : args) line += " " + arg;
  return absl::InternalError(line + ": exit code " + std::to_string(code) + ": " + printed);
}

// Exit code 1 is what iptables says to a chain that is there.
absl::Status EnsureChain(const RunIptables& run, const char* table, const char* chain) {
  Args args = {"-t", table, "-N", chain};
  std::string printed;
  ASSIGN_OR_RETURN(int code, ExitCode(run, args, &printed));
  return code <= 1 ? absl::OkStatus() : Failed(args, code, printed);
}

absl::Status EnsureRule(const RunIptables& run, const char* operation, const char* chain,
                        const Args& rule) {
  Args args = {"-t", "filter", "-C", chain};
  args.insert(args.end(), rule.begin(), rule.end());
  std::string printed;
  ASSIGN_OR_RETURN(int code, ExitCode(run, args, &printed));
  if (code == 0) return absl::OkStatus();
  if (code != 1) return Failed(args, code, printed);
  args[2] = operation;
  ASSIGN_OR_RETURN(code, ExitCode(run, args, &printed));
  return code == 0 ? absl::OkStatus() : Failed(args, code, printed);
}

}  // namespace

RunIptables IptablesProgram(std::string program) {
  return [program = std::move(program)](const Args& args) {
    return base::RunProcess(program, args, {}, kRunTimeout);
  };
}

absl::Status SyncHostChains(IpFamily family, const RunIptables& run) {
  RETURN_IF_ERROR(EnsureChain(run, "mangle", kHint));
  if (family == IpFamily::kV4) {
    // kube-proxy makes the very same rule: a change here has to go with its.
    const Args drop = {"-m",          "comment",
                       "--comment",   "block incoming localnet connections",
                       "--dst",       "127.0.0.0/8",
                       "!",           "--src",
                       "127.0.0.0/8", "-m",
                       "conntrack",   "!",
                       "--ctstate",   "RELATED,ESTABLISHED,DNAT",
                       "-j",          "DROP"};
    RETURN_IF_ERROR(EnsureChain(run, "filter", kFirewall));
    RETURN_IF_ERROR(EnsureRule(run, "-I", "OUTPUT", {"-j", kFirewall}));
    RETURN_IF_ERROR(EnsureRule(run, "-I", "INPUT", {"-j", kFirewall}));
    RETURN_IF_ERROR(EnsureRule(run, "-A", kFirewall, drop));
  }
  // Last: while it is missing, the rest may be.
  for (const char* table : {"nat", "filter", "mangle"})
    RETURN_IF_ERROR(EnsureChain(run, table, kCanary));
  return absl::OkStatus();
}

absl::StatusOr<bool> CanaryAlive(const RunIptables& run) {
  Args args = {"-t", "mangle", "-S", kCanary};
  std::string printed;
  ASSIGN_OR_RETURN(int code, ExitCode(run, args, &printed));
  if (code > 1) return Failed(args, code, printed);
  return code == 0;
}

HostChains::HostChains(base::Clock& clock, base::BlockingPool& pool, Options options)
    : clock_(clock), pool_(pool), options_(std::move(options)) {
  if (!options_.v4) options_.v4 = IptablesProgram("iptables");
  if (!options_.v6) options_.v6 = IptablesProgram("ip6tables");
  families_.push_back({"IPv4", IpFamily::kV4, options_.v4, false, false, ""});
  families_.push_back({"IPv6", IpFamily::kV6, options_.v6, false, false, ""});
}

base::Task<void> HostChains::Run() {
  for (bool any = true; any;) {
    any = false;
    for (auto& family : families_) {
      if (!family.given_up) co_await Look(family);
      any = any || !family.given_up;
    }
    if (options_.on_round) options_.on_round();
    if (any) co_await base::SleepFor(clock_, options_.period);
  }
}

base::Task<void> HostChains::Look(Family& family) {
  std::function<absl::Status()> work = [ip = family.family, run = family.run,
                                        made = family.made]() -> absl::Status {
    if (made) {
      ASSIGN_OR_RETURN(bool alive, CanaryAlive(run));
      if (alive) return absl::OkStatus();
    }
    return SyncHostChains(ip, run);
  };
  auto status = co_await pool_.RunStatus("iptables", kLookTimeout, std::move(work));
  if (absl::IsNotFound(status)) {
    family.given_up = true;
    LOG_INFO("No iptables support on this system; not creating the KUBE-IPTABLES-HINT chain",
             "protocol", family.name);
    co_return;
  }
  if (status.ok() && !family.made) LOG_INFO("Initialized iptables rules", "protocol", family.name);
  family.made = family.made || status.ok();
  std::string trouble = status.ok() ? "" : base::Message(status);
  if (!trouble.empty() && trouble != family.trouble) {
    LOG_WARNING("Cannot make the iptables rules that others may count on; will retry", "protocol",
                family.name, "err", status);
  }
  family.trouble = std::move(trouble);
}

}  // namespace kubelet::os
