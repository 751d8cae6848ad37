#include <zlib.h>

#include <ctime>
#include <map>

#include "kubelet/base/log.h"
#include "kubelet/server/http_metrics.h"
#include "server/cpu_sampler.h"
#include "server/heap_profile.h"
#include "server/secure_bench.h"

namespace kubelet::server {
namespace {

std::string Unzip(const std::string& data) {
  z_stream stream{};
  inflateInit2(&stream, 31);
  std::string out(10'000'000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  CHECK(inflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

// Fields of a protobuf message: number -> values, sub-messages and packed ones as their bytes.
std::multimap<int, std::string> Fields(const std::string& text) {
  std::multimap<int, std::string> out;
  size_t at = 0;
  auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0; at < text.size(); shift += 7) {
      auto c = static_cast<unsigned char>(text[at++]);
      value |= static_cast<uint64_t>(c & 0x7f) << shift;
      if (c < 0x80) break;
    }
    return value;
  };
  while (at < text.size()) {
    uint64_t key = varint();
    if ((key & 7) == 2) {
      uint64_t size = varint();
      REQUIRE(at + size <= text.size());
      out.emplace(static_cast<int>(key >> 3), text.substr(at, size));
      at += size;
    } else {
      REQUIRE((key & 7) == 0);
      out.emplace(static_cast<int>(key >> 3), std::to_string(varint()));
    }
  }
  return out;
}

struct DebugBench : SecureBench {
  explicit DebugBench(SecureServer::Options options = {}) : SecureBench(std::move(options)) {}
  fakes::KeyPair alice = Person(clients, "alice");
  std::string Ask(const std::string& method, const std::string& path,
                  const std::string& body = "") {
    TlsClient client(*this, &alice);
    client.Send(method + " " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n\r\n" + body);
    return client.Answer();
  }
};

TEST_CASE("the log level is set by PUT") {
  DebugBench bench;
  std::string answer = bench.Ask("PUT", "/debug/flags/v", "4");
  CHECK(Code(answer) == "200");
  CHECK(Body(answer) == "successfully set klog.logging.verbosity to 4\n");
  CHECK(base::LogEnabled(4, __FILE__));
  CHECK_FALSE(base::LogEnabled(5, __FILE__));
  answer = bench.Ask("PUT", "/debug/flags/v", "much");
  CHECK(Code(answer) == "400");
  CHECK(Body(answer) ==
        "failed set klog.logging.verbosity much: strconv.ParseInt: parsing \"much\": invalid "
        "syntax\n");
  CHECK(Code(bench.Ask("PUT", "/debug/flags/v", "")) == "400");
  CHECK(Code(bench.Ask("GET", "/debug/flags/v")) == "406");
  CHECK(base::LogEnabled(4, __FILE__));
  CHECK(Code(bench.Ask("PUT", "/debug/flags/v", "0")) == "200");
  CHECK_FALSE(base::LogEnabled(1, __FILE__));
}

TEST_CASE("handlers are switched while the port is open") {
  DebugBench bench;
  CHECK(Code(bench.Ask("GET", "/debug/pprof/")) == "200");
  SecureServer::LiveOptions live;
  live.handlers.profiling = false;
  bench.server->SetLive(live);
  bench.Run();
  std::string answer = bench.Ask("GET", "/debug/pprof/");
  CHECK(Code(answer) == "405");
  CHECK(Body(answer) == "profiling endpoint is disabled.\n");
}

TEST_CASE("the heap profile says what it is") {
  DebugBench bench;
  std::string answer = bench.Ask("GET", "/debug/pprof/heap");
  CHECK(Code(answer) == "200");
  auto profile = Fields(Unzip(Body(answer)));
  CHECK(profile.count(1) == 2);  // sample types
  CHECK(profile.count(2) == 3);
  CHECK(profile.count(5) == 4);  // functions: the parts, and their sum
  bool honest = false;
  for (auto [it, end] = profile.equal_range(6); it != end; ++it)
    honest |= it->second.find("no call stacks") != std::string::npos;
  CHECK(honest);
  CHECK(profile.find(6)->second.empty());  // the first string
  CHECK(bench.Ask("GET", "/debug/pprof/heap?debug=1").find("<malloc ") != std::string::npos);
  CHECK(Code(bench.Ask("GET", "/debug/pprof/goroutine")) == "404");
  CHECK(Body(bench.Ask("GET", "/debug/pprof/cmdline")).find("server_test") != std::string::npos);
}

__attribute__((noinline)) uint64_t Burn(uint64_t seed) {
  for (int i = 0; i < 1000; ++i) seed = seed * 6364136223846793005u + 1442695040888963407u;
  return seed;
}

TEST_CASE("the CPU profile shows what uses the CPU") {
#ifdef KUBELET_TSAN
  WARN("skipped: ThreadSanitizer delivers a signal only at the next system call, not where it struck");
  return;
#endif
  auto sampler = CpuSampler::Start();
  REQUIRE(sampler);
  CHECK(CpuSampler::Start() == nullptr);
  // By the process' own time, of which there is always some.
  std::clock_t until = std::clock() + CLOCKS_PER_SEC / 2;
  volatile uint64_t sink = 1;
  while (std::clock() < until) sink = Burn(sink);
  auto stacks = sampler->Stop();
  int64_t all = sampler->lost(), here = 0;
  auto burn = reinterpret_cast<uint64_t>(&Burn);
  for (const auto& stack : stacks) {
    all += stack.count;
    REQUIRE_FALSE(stack.addresses.empty());
    if (stack.addresses[0] >= burn && stack.addresses[0] < burn + 1000) here += stack.count;
  }
  CHECK(all >= 20);
  CHECK(all <= 100);
  CHECK(here > all / 2);
  CHECK(sampler->Stop().empty());
  CHECK(CpuSampler::Start() != nullptr);  // and can be had again
}

TEST_CASE("a CPU profile is asked for over HTTP, one at a time") {
  DebugBench bench;
  TlsClient client(bench, &bench.alice);
  client.Send(
      "GET /debug/pprof/profile?seconds=5 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  bench.Run();
  std::string other = bench.Ask("GET", "/debug/pprof/profile?seconds=1");
  CHECK(Code(other) == "500");
  CHECK(Body(other) == "Could not enable CPU profiling: cpu profiling already in use\n");
  std::clock_t until = std::clock() + CLOCKS_PER_SEC / 10;
  volatile uint64_t sink = 1;
  while (std::clock() < until) sink = Burn(sink);
  bench.Advance(6s);
  std::string answer = client.Answer();
  CHECK(Code(answer) == "200");
  auto profile = Fields(Unzip(Body(answer)));
  CHECK(profile.count(2) >= 1);
  CHECK(profile.count(3) >= 1);  // mappings
  CHECK(profile.find(12)->second == "10000000");
  CHECK(Code(bench.Ask("GET", "/debug/pprof/profile?seconds=x")) == "400");
  // A client that goes away gives the sampler back.
  {
    TlsClient gone(bench, &bench.alice);
    gone.Send("GET /debug/pprof/profile?seconds=500 HTTP/1.1\r\nHost: x\r\n\r\n");
    bench.Run();
  }
  CHECK(bench.Until([] { return CpuSampler::Start() != nullptr; }));
}

struct Checkpointing : DebugBench {
  Checkpointing() { AddPod("p"); }
};

TEST_CASE("a checkpoint is made where upstream has it made") {
  Checkpointing bench;
  std::string answer = bench.Ask("POST", "/checkpoint/ns/p/c?timeout=7");
  CHECK(Code(answer) == "200");
  CHECK(Body(answer) == R"({"items":["/checkpoints/checkpoint-p_ns-c-2023-11-14T22:13:20Z.tar"]})");
  CHECK(bench.runtime.checkpoints ==
        std::vector<std::string>{"p-c /checkpoints/checkpoint-p_ns-c-2023-11-14T22:13:20Z.tar 7"});
  CHECK(Body(bench.Ask("POST", "/checkpoint/ns/q/c")) == "pod does not exist");
  answer = bench.Ask("POST", "/checkpoint/ns/p/d");
  CHECK(Code(answer) == "404");
  CHECK(Body(answer) == "container d does not exist");
  answer = bench.Ask("POST", "/checkpoint/ns/p/c?timeout=x");
  CHECK(Code(answer) == "404");
  CHECK(Body(answer) == "cannot parse value of timeout parameter");
  bench.runtime.checkpoint = absl::UnimplementedError("no CRIU");
  answer = bench.Ask("POST", "/checkpoint/ns/p/c");
  CHECK(Code(answer) == "500");
  CHECK(Body(answer) ==
        "checkpointing of ns/p/c failed (rpc error: code = Unimplemented desc = no CRIU)");
  bench.SetState("p", runtime::ContainerState::kExited);
  answer = bench.Ask("POST", "/checkpoint/ns/p/c");
  CHECK(Body(answer) == "checkpointing of ns/p/c failed (container c not found)");
}

TEST_CASE("requests by path, as dashboards know them") {
  CHECK(MetricPath("/metrics/cadvisor") == "metrics/cadvisor");
  CHECK(MetricPath("/metrics/slis") == "other");
  CHECK(MetricPath("/metrics") == "metrics");
  CHECK(MetricPath("/exec/ns/p/c") == "exec");
  CHECK(MetricPath("/../x") == "other");
  CHECK(MetricPath("") == "other");
  base::Registry registry;
  HttpMetrics metrics(&registry, "readwrite");
  {
    HttpMetrics::Request request(metrics, "BREW", "/exec/ns/p/c");
    CHECK(registry.Render().find("kubelet_http_inflight_requests{method=\"other\",path=\"exec\","
                                 "server_type=\"readwrite\",long_running=\"true\"} 1") !=
          std::string::npos);
  }
  std::string text = registry.Render();
  CHECK(text.find("kubelet_http_requests_total{method=\"other\",path=\"exec\",server_type="
                  "\"readwrite\",long_running=\"true\"} 1") != std::string::npos);
  CHECK(text.find("kubelet_http_inflight_requests{method=\"other\",path=\"exec\",server_type="
                  "\"readwrite\",long_running=\"true\"} 0") != std::string::npos);
  CHECK(text.find("kubelet_http_requests_duration_seconds_count{") != std::string::npos);
}

}  // namespace
}  // namespace kubelet::server
