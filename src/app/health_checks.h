// /healthz and its named checks, with the texts of apiserver's healthz handlers of 1.36. Core loop.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "kubelet/server/http_server.h"

namespace kubelet::app {

class HealthChecks {
 public:
  struct Check {
    std::string name;
    std::function<absl::Status()> test;
  };
  void Add(std::string name, std::function<absl::Status()> test) {
    checks_.push_back({std::move(name), std::move(test)});
  }
  // `/healthz` asks all (?exclude=NAME, ?verbose), `/healthz/NAME` one; 404 for any other path.
  server::Response Answer(const server::Request& request) const;
  const std::vector<Check>& checks() const { return checks_; }

 private:
  server::Response All(const server::Request& request) const;
  std::vector<Check> checks_;
};

// /healthz and /healthz/ping of the healthz port, which only say that somebody listens.
server::Response AnswerPing(const server::Request& request);

}  // namespace kubelet::app
