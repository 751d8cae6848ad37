// What probes cost: `probes_bench [CONTAINERS [SECONDS]]`. That many containers (500) are probed
// every second, first over HTTP, TCP, gRPC and exec by themselves, then a quarter each; servers are
// a process of their own, exec is answered by a fake runtime at once (what a real one costs is not
// ours). Prints the CPU of this process per 1,000 probes, failures, how late probes were, and
// sockets in TIME_WAIT at the end. `probes_bench --serve` is only the servers, for probes.py: it
// prints their ports (HTTP, TCP, gRPC) and answers until it is killed.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "fakes/fake_runtime.h"
#include "fakes/pods.h"
#include "kubelet/probe/network_prober.h"
#include "kubelet/probe/probe_manager.h"
#include "probe/h2c_server.h"
#include "probe/loopback.h"

using namespace kubelet;
using namespace std::chrono_literals;

namespace {

struct Ports {
  uint16_t http = 0, tcp = 0, grpc = 0;
};

// Runs for ever.
void Serve(int pipe_out) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  boost::asio::io_context io{1};
  probe::Loopback http(
      io,
      [](probe::Loopback::Session& s) {
        if (s.in.find("\r\n\r\n") == std::string::npos) return;
        s.Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        s.Close();
      },
      "0.0.0.0");
  probe::Loopback tcp(io, {}, "0.0.0.0");
  probe::Loopback grpc(io, {}, "0.0.0.0");
  grpc.on_open = [](probe::Loopback::SessionPtr session) {
    auto h2 = std::make_shared<probe::H2cServer>(
        probe::H2cAnswer{200, "application/grpc", std::string("\0\0\0\0\2\x08\x01", 7), "0", ""});
    session->on_bytes = [h2, s = session.get()](std::string bytes) { s->Write(h2->Answer(bytes)); };
  };
  Ports ports{http.port(), tcp.port(), grpc.port()};
  if (write(pipe_out, &ports, sizeof ports) != sizeof ports) _exit(1);
  for (;;) {
    io.run_for(1s);
    for (auto* server : {&http, &tcp, &grpc}) server->Forget();
  }
}

double CpuSeconds() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

int TimeWaits() {
  int n = 0;
  for (const char* file : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream in(file);
    std::string line;
    while (std::getline(in, line)) {
      std::istringstream words(line);
      std::string number, local, remote, state;
      words >> number >> local >> remote >> state;
      if (state == "06") ++n;
    }
  }
  return n;
}

// Counts what passes, and times it.
class Counting : public probe::Prober {
 public:
  Counting(probe::Prober& prober, base::Clock& clock) : prober_(prober), clock_(clock) {}
  base::Task<probe::Outcome> Run(probe::Action action, std::chrono::seconds timeout) override {
    auto since = clock_.Mono();
    auto outcome = co_await prober_.Run(std::move(action), timeout);
    ++probes;
    if (outcome.result != probe::Result::kSuccess && ++failures == 1) first = outcome.message;
    slowest = std::max<base::Nanos>(slowest, clock_.Mono() - since);
    co_return outcome;
  }
  int probes = 0, failures = 0;
  base::Nanos slowest{0};
  std::string first;

 private:
  probe::Prober& prober_;
  base::Clock& clock_;
};

class AtOnce : public test::FakeRuntimeClient {
 public:
  using FakeRuntimeClient::FakeRuntimeClient;
  base::Task<absl::StatusOr<runtime::ExecResult>> ExecSync(runtime::ContainerId,
                                                           std::vector<std::string>,
                                                           std::chrono::seconds) override {
    co_return runtime::ExecResult();
  }
};

void GiveProbe(api::core::Probe* probe, int kind, const Ports& ports) {
  auto* handler = probe->mutable_handler();
  if (kind == 0) {
    handler->mutable_http_get()->set_path("/healthz");
    handler->mutable_http_get()->mutable_port()->set_int_val(ports.http);
  } else if (kind == 1) {
    handler->mutable_tcp_socket()->mutable_port()->set_int_val(ports.tcp);
  } else if (kind == 2) {
    handler->mutable_grpc()->set_port(ports.grpc);
  } else {
    handler->mutable_exec()->add_command("true");
  }
  probe->set_period_seconds(1);
  probe->set_timeout_seconds(1);
  probe->set_failure_threshold(3);
  probe->set_success_threshold(1);
}

void RunOnce(const char* name, int kind, int containers, int seconds, const Ports& ports) {
  boost::asio::io_context io{1};
  base::RealClock clock(io);
  base::ManualClock still;
  base::BlockingPool pool(io.get_executor(), clock, {});
  test::FakeRuntime world(io.get_executor(), still);
  AtOnce runtime(world);
  base::Registry metrics;
  probe::NetworkProber network({io.get_executor(), clock, pool, runtime}, {});
  Counting counting(network, clock);
  auto manager = std::make_unique<probe::ProbeManager>(
      probe::ProbeManager::Deps{io.get_executor(),
                                clock,
                                counting,
                                [](const auto&) {},
                                [](const auto&, const auto&) {},
                                {},
                                {},
                                &metrics},
      probe::ProbeManager::Options());
  for (int i = 0; i < containers; ++i) {
    test::PodSpec spec;
    spec.uid = "u" + std::to_string(i);
    auto pod = std::make_shared<api::core::Pod>(*test::MakePod(spec));
    GiveProbe(pod->mutable_spec()->mutable_containers(0)->mutable_liveness_probe(),
              kind < 0 ? i % 4 : kind, ports);
    auto observed = std::make_shared<runtime::ObservedPod>();
    observed->ips = {"127.1." + std::to_string(i / 250) + "." + std::to_string(1 + i % 250)};
    runtime::ContainerStatus status;
    status.id = runtime::ContainerId("c" + std::to_string(i));
    status.name = "c";
    status.state = runtime::ContainerState::kRunning;
    status.started_at = clock.Now();
    observed->containers = {status};
    manager->Sync(pod, observed);
  }
  io.run_for(1500ms);
  counting.probes = counting.failures = 0;
  world.calls.clear();
  double cpu = CpuSeconds();
  io.run_for(std::chrono::seconds(seconds));
  cpu = CpuSeconds() - cpu;
  double per_thousand = cpu * 1e6 / std::max(counting.probes, 1);
  std::printf(
      "%-6s %6d probes  %7.1f ms CPU per 1,000  %5.2f %% of a core  %d failed  slowest %.0f ms\n",
      name, counting.probes, per_thousand, 100 * cpu / seconds, counting.failures,
      std::chrono::duration<double, std::milli>(counting.slowest).count());
  if (counting.failures > 0) std::printf("       first failure: %s\n", counting.first.c_str());
  manager.reset();
  io.restart();
  io.run_for(1200ms);  // what is under way ends before the clock does
}

}  // namespace

int main(int argc, char** argv) {
  int ends[2];
  if (pipe(ends) != 0) return 1;
  const bool serve = argc > 1 && std::string(argv[1]) == "--serve";
  int containers = argc > 1 ? std::atoi(argv[1]) : 500, seconds = argc > 2 ? std::atoi(argv[2]) : 5;
  pid_t server = fork();
  if (server == 0) Serve(ends[1]);
  Ports ports;
  if (read(ends[0], &ports, sizeof ports) != sizeof ports) return 1;
  if (serve) {
    std::printf("%d %d %d\n", ports.http, ports.tcp, ports.grpc);
    std::fflush(stdout);
    return waitpid(server, nullptr, 0) < 0;
  }
  const char* const kNames[] = {"http", "tcp", "grpc", "exec"};
  int before = TimeWaits();
  for (int kind = 0; kind < 4; ++kind) RunOnce(kNames[kind], kind, containers, seconds, ports);
  RunOnce("mixed", -1, containers, seconds, ports);
  std::printf("sockets in TIME_WAIT: %d more than before\n", TimeWaits() - before);
  kill(server, SIGKILL);
  waitpid(server, nullptr, 0);
  return 0;
}
