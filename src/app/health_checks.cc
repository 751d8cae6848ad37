#include "app/health_checks.h"

#include <set>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::app {
namespace {

constexpr char kText[] = "text/plain; charset=utf-8", kRoot[] = "/healthz";

}  // namespace

server::Response HealthChecks::All(const server::Request& request) const {
  std::set<std::string> excluded, unknown;
  bool verbose = false;
  for (const auto& [name, value] : request.parameters) {
    if (name == "exclude") excluded.insert(value);
    verbose |= name == "verbose";
  }
  unknown = excluded;
  std::string lines, failed, why;
  for (const auto& check : checks_) {
    if (excluded.contains(check.name)) {
      unknown.erase(check.name);
      lines += "[+]" + check.name + " excluded: ok\n";
      continue;
    }
    absl::Status status = check.test();
    if (status.ok()) {
      lines += "[+]" + check.name + " ok\n";
      continue;
    }
    // Why is for those who may ask for the single check.
    lines += "[-]" + check.name + " failed: reason withheld\n";
    failed += (failed.empty() ? "" : ",") + check.name;
    why += "[-]" + check.name + " failed: " + base::Message(status) + "\n";
  }
  if (!unknown.empty()) {
    std::string names;
    for (const auto& name : unknown) names += (names.empty() ? "\"" : "\",\"") + name;
    lines += "warn: some health checks cannot be excluded: no matches for " + names + "\"\n";
  }
  if (!failed.empty()) {
    LOG_V(2, "Health check failed", "checks", failed, "why", why);
    return {500, kText, lines + "healthz check failed\n"};
  }
  return {200, kText, verbose ? lines + "healthz check passed\n" : "ok"};
}

server::Response HealthChecks::Answer(const server::Request& request) const {
  std::string path = request.path;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path == kRoot) return All(request);
  for (const auto& check : checks_) {
    if (path != std::string(kRoot) + "/" + check.name) continue;
    absl::Status status = check.test();
    if (status.ok()) return {200, kText, "ok"};
    return {500, kText, "internal server error: " + base::Message(status) + "\n"};
  }
  return {404, kText, "404 page not found\n"};
}

server::Response AnswerPing(const server::Request& request) {
  static const HealthChecks* ping = [] {
    auto* checks = new HealthChecks;
    checks->Add("ping", [] { return absl::OkStatus(); });
    return checks;
  }();
  return ping->Answer(request);
}

}  // namespace kubelet::app
