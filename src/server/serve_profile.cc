// /debug/pprof/, as far as a program that is not Go's can answer.
#include <charconv>
#include <fstream>
#include <sstream>

#include "kubelet/base/status.h"
#include "server/cpu_sampler.h"
#include "server/endpoints.h"
#include "server/heap_profile.h"

namespace kubelet::server {
namespace {

constexpr base::Nanos kWorkTime = std::chrono::seconds(30);
constexpr int64_t kMostSeconds = 600;
constexpr char kIndex[] =
    "<html>\n<head>\n<title>/debug/pprof/</title>\n</head>\n<body>\n/debug/pprof/\n<br>\n"
    "<p>Profiles:</p>\n<ul>\n"
    "<li><a href='profile?seconds=30'>profile</a>: CPU time by stack, for ?seconds=</li>\n"
    "<li><a href='heap'>heap</a>: the parts of the heap, without stacks "
    "(<a href='heap?debug=1'>as text</a>)</li>\n"
    "<li><a href='cmdline'>cmdline</a>: the command line</li>\n"
    "<li>symbol: names of addresses</li>\n</ul>\n"
    "<p>This kubelet is not a Go program: goroutine, allocs, block, mutex, threadcreate and trace "
    "have nothing to show.</p>\n</body>\n</html>\n";

// nullopt: it is no number.
std::optional<int64_t> Seconds(const HttpRequest& request) {
  std::string text = request.Query("seconds").value_or("");
  int64_t value = 30;  // as Go's, also for 0
  if (text.empty()) return value;
  auto [rest, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || rest != text.data() + text.size()) return std::nullopt;
  return value <= 0 ? 30 : value;
}

Profile CpuProfile(const std::vector<CpuSampler::Stack>& stacks, int64_t lost, int64_t begun,
                   int64_t took) {
  Profile out;
  constexpr int64_t kPeriod = 1'000'000'000 / CpuSampler::kHertz;
  out.types = {{"samples", "count"}, {"cpu", "nanoseconds"}};
  out.period_type = {"cpu", "nanoseconds"};
  out.period = kPeriod;
  out.time_nanos = begun;
  out.duration_nanos = took;
  out.mappings = ProcessMappings();
  for (const auto& stack : stacks) {
    ProfileSample sample;
    for (uint64_t address : stack.addresses) sample.stack.push_back({address, ""});
    sample.values = {stack.count, stack.count * kPeriod};
    out.samples.push_back(std::move(sample));
  }
  if (lost > 0) out.comments.push_back("samples lost: " + std::to_string(lost));
  return out;
}

base::Task<void> Send(ContextPtr context, ExchangePtr exchange, Profile profile, std::string name) {
  std::function<absl::StatusOr<std::string>()> work =
      [profile = std::move(profile)]() -> absl::StatusOr<std::string> {
    return Gzip(EncodeProfile(profile, SymbolName));
  };
  auto packed =
      co_await context->place.files.Run<std::string>("profile", kWorkTime, std::move(work));
  if (!packed.ok()) {
    co_await exchange->Respond(500, kPlainText, base::Message(packed.status()) + "\n");
    co_return;
  }
  Pairs headers;
  headers.emplace_back("Content-Disposition", "attachment; filename=\"" + name + "\"");
  headers.emplace_back("X-Content-Type-Options", "nosniff");
  co_await exchange->Respond(200, "application/octet-stream", *std::move(packed),
                             std::move(headers));
}

base::Task<void> ServeCpu(ContextPtr context, ExchangePtr exchange) {
  auto seconds = Seconds(exchange->request());
  if (!seconds || *seconds > kMostSeconds) {
    co_await exchange->Respond(400, kPlainText, "seconds: must be a number up to 600\n");
    co_return;
  }
  std::shared_ptr<CpuSampler> sampler = CpuSampler::Start();
  if (!sampler) {
    co_await exchange->Respond(500, kPlainText,
                               "Could not enable CPU profiling: cpu profiling already in use\n");
    co_return;
  }
  auto& clock = context->place.clock;
  int64_t begun = base::UnixNanos(clock.Now());
  // A client that goes away ends the profile.
  auto gone = std::make_shared<base::WakeEvent>(context->place.executor, clock);
  std::function<void()> hook = [gone] { gone->Notify(); };
  context->scope.Spawn("profile client", exchange->WatchHangup(std::move(hook)));
  std::optional<base::MonoTime> until = clock.Mono() + std::chrono::seconds(*seconds);
  co_await gone->Wait(until);
  auto stacks = sampler->Stop();
  if (exchange->hung_up()) co_return;
  int64_t took = base::UnixNanos(clock.Now()) - begun;
  Profile profile = CpuProfile(stacks, sampler->lost(), begun, took);
  co_await Send(context, exchange, std::move(profile), "profile");
}

std::string CommandLine() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  std::string text = out.str();
  if (!text.empty() && text.back() == '\0') text.pop_back();
  return text;
}

// Addresses joined by `+`, as pprof asks for them.
std::string Symbols(const std::string& query) {
  std::string out = "num_symbols: 1\n";
  for (size_t begin = 0; begin < query.size();) {
    size_t end = std::min(query.find('+', begin), query.size());
    std::string text = query.substr(begin, end - begin);
    begin = end + 1;
    if (text.rfind("0x", 0) == 0) text.erase(0, 2);
    uint64_t address = 0;
    auto [rest, ec] = std::from_chars(text.data(), text.data() + text.size(), address, 16);
    if (ec != std::errc() || rest != text.data() + text.size()) continue;
    std::string name = SymbolName(address);
    if (!name.empty()) out += "0x" + text + " " + name + "\n";
  }
  return out;
}

}  // namespace

base::Task<void> ServeProfile(ContextPtr context, ExchangePtr exchange, Route route) {
  const auto& request = exchange->request();
  if (route.rest == "profile") {
    co_await ServeCpu(context, exchange);
  } else if (route.rest == "heap" && request.Query("debug").value_or("0") != "0") {
    co_await exchange->Respond(200, kPlainText, HeapText());
  } else if (route.rest == "heap") {
    Profile profile = HeapProfile(base::UnixNanos(context->place.clock.Now()));
    co_await Send(context, exchange, std::move(profile), "heap");
  } else if (route.rest == "cmdline") {
    co_await exchange->Respond(200, kPlainText, CommandLine());
  } else if (route.rest == "symbol") {
    co_await exchange->Respond(200, kPlainText, Symbols(request.raw_query));
  } else if (route.rest.empty()) {
    co_await exchange->Respond(200, "text/html; charset=utf-8", kIndex);
  } else {
    co_await exchange->Respond(404, kPlainText, "Unknown profile\n");
  }
}

}  // namespace kubelet::server
