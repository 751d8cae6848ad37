// One API request from its first try to an answer worth having: credentials, rate limit, tries
// again where the contract (kubelet/client/api.h) says so. Core loop only.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "client/body.h"
#include "client/pool.h"
#include "client/token_bucket.h"
#include "kubelet/base/metrics.h"

namespace kubelet::client {

// What Do and Watch have in common.
struct Spec {
  const char* method = "GET";
  std::string verb;      // the metrics' name for it: `get`, `list`, ...
  std::string resource;  // `group/plural`: what "no protobuf" is remembered by
  std::string path;      // for messages
  std::string target;    // path and query, encoded
  MessagePtr body;
  std::string patch, patch_type;
  Lane lane = Lane::kNormal;
  bool watch = false;
  bool retry = true;
  bool repeatable = false;  // a second time does no harm
};
Spec SpecOf(const ServerUrl& server, const Call& call);

// How often a request may yet be sent again, by reason.
struct Tries {
  int broken = 1;        // the connection broke
  int refused = 3;       // the server refused the stream
  int waits = 10;        // Retry-After
  bool renewed = false;  // credentials after 401
  bool turn = false;     // had its turn in the lane
};

struct Opened {
  std::unique_ptr<Exchange> exchange;  // its head says 2xx
  Form form = Form::kJson;
};

class Requester {
 public:
  Requester(HttpApi::Deps deps, std::shared_ptr<ConnectionPool> pool, const ClientConfig& config,
            HttpApiOptions options);
  // Waits for a connection, then for its turn in the lane, then until an answer's head says 2xx, or
  // there is no point in going on. DeadlineExceeded also when the turn would not come in time. What
  // finds no connection takes no turn: an outage uses nothing up of the rate.
  base::Task<absl::StatusOr<Opened>> Send(const Spec& spec, Tries& tries, base::MonoTime deadline);
  // The whole body. Unavailable: the connection broke; DeadlineExceeded; ResourceExhausted: over
  // 64 MiB.
  base::Task<absl::StatusOr<std::string>> ReadBody(Exchange& exchange, base::MonoTime deadline);
  // Whether a request that failed may be sent again; takes a try.
  static bool MayRepeat(const Spec& spec, const Failure& failure, Tries& tries);
  void ObserveDuration(const Spec& spec, base::Nanos duration);
  ConnectionPool& pool() { return *pool_; }
  base::Clock& clock() { return deps_.clock; }

 private:
  struct Attempt {
    absl::Status status;  // not OK: no head came
    std::optional<Failure> failure;
    std::unique_ptr<Exchange> exchange;
    uint64_t generation = 0;
    bool protobuf = false;
  };
  enum class Next { kAgain, kGiveUp };

  Request MakeRequest(const Spec& spec, const Presented& presented, bool protobuf) const;
  base::Task<absl::Status> WaitForTurn(const Spec& spec, base::MonoTime deadline);
  base::Task<Attempt> Try(const Spec& spec, Tries& tries, base::MonoTime deadline);
  base::Task<Next> AfterError(const Spec& spec, const Attempt& attempt, Tries& tries,
                              base::MonoTime deadline);
  base::Task<Next> AfterRejection(uint64_t generation, Tries& tries, base::MonoTime deadline);
  void Count(const Spec& spec, const std::string& code);

  HttpApi::Deps deps_;
  std::shared_ptr<ConnectionPool> pool_;
  bool compression_;
  Headers config_headers_;  // of every request
  HttpApiOptions options_;
  TokenBucket normal_, events_, watches_;
  std::set<std::string> json_only_;
  base::Family<base::Counter>* requests_ = nullptr;
  base::Family<base::Histogram>* durations_ = nullptr;
};

}  // namespace kubelet::client
