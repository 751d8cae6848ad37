#include "client/request.h"

#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

// rest.Config's default for a limit that is not set.
constexpr double kDefaultQps = 5;

const char* Method(Call::Verb verb) {
  switch (verb) {
    case Call::Verb::kCreate:
      return "POST";
    case Call::Verb::kUpdate:
      return "PUT";
    case Call::Verb::kPatch:
      return "PATCH";
    case Call::Verb::kDelete:
      return "DELETE";
    default:
      return "GET";
  }
}

bool Good(int status) { return status >= 200 && status < 300; }

}  // namespace

Spec SpecOf(const ServerUrl& server, const Call& call) {
  Spec spec;
  spec.method = Method(call.verb);
  spec.verb = spec.method;
  spec.resource = std::string(call.path.resource.group) + "/" + call.path.resource.plural + "/" +
                  call.path.subresource;
  spec.path = call.path.Text();
  spec.target = server.prefix + spec.path;
  if (!call.query.empty()) spec.target += "?" + EncodeQuery(call.query);
  spec.lane = call.lane;
  spec.retry = call.retry;
  // What is deleted twice is deleted; an update that came through would come back as a conflict.
  spec.repeatable = call.verb == Call::Verb::kGet || call.verb == Call::Verb::kList ||
                    call.verb == Call::Verb::kDelete;
  return spec;
}

Requester::Requester(HttpApi::Deps deps, std::shared_ptr<ConnectionPool> pool,
                     const ClientConfig& config, HttpApiOptions options)
    : deps_(deps),
      pool_(std::move(pool)),
      compression_(!config.disable_compression),
      options_(std::move(options)),
      normal_(options_.qps == 0 ? kDefaultQps : options_.qps, options_.burst),
      events_(options_.event_qps, options_.event_burst),
      watches_(normal_) {
  for (const auto& [name, value] : config.headers) {
    config_headers_.emplace_back(LowerCase(name), value);
  }
  if (deps_.metrics == nullptr) return;
  requests_ = &deps_.metrics->AddCounter(
      "rest_client_requests_total",
      "Number of HTTP requests, partitioned by status code, method, and host.",
      {"code", "method", "host"});
  durations_ = &deps_.metrics->AddHistogram(
      "rest_client_request_duration_seconds",
      "Request latency in seconds. Broken down by verb, and host.",
      {0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60}, {"verb", "host"});
}

base::Task<absl::Status> Requester::WaitForTurn(const Spec& spec, base::MonoTime deadline) {
  if (spec.lane == Lane::kHeartbeat) co_return absl::OkStatus();
  auto ready = co_await pool_->Ready(deadline);
  if (!ready.ok()) co_return ready;
  auto now = deps_.clock.Mono();
  TokenBucket* bucket = spec.lane == Lane::kEvents ? &events_ : &normal_;
  // After an outage all watches open at once; what is written must not wait behind them.
  if (spec.watch) bucket = &watches_;
  auto turn = bucket->Reserve(now, deadline);
  if (!turn) {
    co_return absl::DeadlineExceededError("the client's rate limit leaves no time for the request");
  }
  if (*turn > now) co_await base::SleepFor(deps_.clock, *turn - now);
  co_return absl::OkStatus();
}

Request Requester::MakeRequest(const Spec& spec, const Presented& presented, bool protobuf) const {
  Request request;
  request.method = spec.method;
  request.target = spec.target;
  request.watch = spec.watch;
  auto& headers = request.headers;
  headers.emplace_back("accept", AcceptFor(protobuf));
  headers.emplace_back("user-agent", options_.user_agent);
  if (!presented.bearer_token.empty()) {
    headers.emplace_back("authorization", "Bearer " + presented.bearer_token);
  } else if (!presented.basic.empty()) {
    headers.emplace_back("authorization", BasicAuthorization(presented.basic));
  }
  headers.insert(headers.end(), config_headers_.begin(), config_headers_.end());
  if (compression_ && !spec.watch) headers.emplace_back("accept-encoding", "gzip");
  if (!spec.patch_type.empty()) {
    headers.emplace_back("content-type", spec.patch_type);
    request.body = spec.patch;
  } else if (spec.body != nullptr) {
    headers.emplace_back("content-type", protobuf ? kProtobufType : kJsonType);
    request.body = EncodeBody(*spec.body, protobuf);
  }
  return request;
}

base::Task<Requester::Attempt> Requester::Try(const Spec& spec, Tries& tries,
                                              base::MonoTime deadline) {
  Attempt attempt;
  auto presented = co_await pool_->Present(deadline);
  attempt.status = presented.status();
  if (!presented.ok()) co_return attempt;
  if (!tries.turn) {
    attempt.status = co_await WaitForTurn(spec, deadline);
    if (!attempt.status.ok()) co_return attempt;
    tries.turn = true;
  }
  attempt.generation = presented->generation;
  attempt.protobuf = options_.protobuf && json_only_.count(spec.resource) == 0;
  Request request = MakeRequest(spec, *presented, attempt.protobuf);
  auto opened = co_await pool_->Open(std::move(request), deadline);
  attempt.status = opened.status();
  if (!opened.ok()) co_return attempt;
  attempt.exchange = *std::move(opened);
  Exchange& exchange = *attempt.exchange;
  while (!exchange.head() && !exchange.failure()) {
    bool in_time = co_await exchange.Wait(deadline);
    if (!in_time) {
      attempt.status = absl::DeadlineExceededError("timed out waiting for the answer");
      co_return attempt;
    }
  }
  if (!exchange.head()) {
    attempt.failure = exchange.failure();
    attempt.status = attempt.failure->status;
  }
  co_return attempt;
}

bool Requester::MayRepeat(const Spec& spec, const Failure& failure, Tries& tries) {
  if (!spec.retry) return false;
  if (failure.refused) return tries.refused-- > 0;
  return (!failure.processed || spec.repeatable) && tries.broken-- > 0;
}

base::Task<absl::StatusOr<Opened>> Requester::Send(const Spec& spec, Tries& tries,
                                                   base::MonoTime deadline) {
  for (;;) {
    Attempt attempt = co_await Try(spec, tries, deadline);
    if (!attempt.status.ok()) {
      Count(spec, "<error>");
      if (attempt.failure && MayRepeat(spec, *attempt.failure, tries)) continue;
      co_return attempt.status;
    }
    const ResponseHead& head = *attempt.exchange->head();
    Count(spec, std::to_string(head.status));
    if (Good(head.status)) {
      Opened opened;
      opened.form = FormOf(head.Find("content-type"));
      opened.exchange = std::move(attempt.exchange);
      co_return opened;
    }
    auto body = co_await ReadBody(*attempt.exchange, deadline);
    auto error = ErrorFromAnswer(*attempt.exchange->head(), body.ok() ? *body : "");
    Next next = co_await AfterError(spec, attempt, tries, deadline);
    if (next == Next::kGiveUp) co_return error;
  }
}

base::Task<Requester::Next> Requester::AfterError(const Spec& spec, const Attempt& attempt,
                                                  Tries& tries, base::MonoTime deadline) {
  const ResponseHead& head = *attempt.exchange->head();
  if (head.status == 401) co_return co_await AfterRejection(attempt.generation, tries, deadline);
  bool sent_protobuf = attempt.protobuf && spec.body != nullptr && spec.patch_type.empty();
  if ((head.status == 406 && attempt.protobuf) || (head.status == 415 && sent_protobuf)) {
    json_only_.insert(spec.resource);
    co_return Next::kAgain;
  }
  auto wait = RetryAfter(head);
  bool asked = wait && (head.status == 429 || head.status >= 500);
  if (!asked || !spec.retry || tries.waits-- <= 0) co_return Next::kGiveUp;
  if (deps_.clock.Mono() + *wait >= deadline) co_return Next::kGiveUp;
  co_await base::SleepFor(deps_.clock, *wait);
  co_return Next::kAgain;
}

base::Task<Requester::Next> Requester::AfterRejection(uint64_t generation, Tries& tries,
                                                      base::MonoTime deadline) {
  deps_.credentials.Rejected(generation);
  if (std::exchange(tries.renewed, true)) co_return Next::kGiveUp;
  auto fresh = co_await pool_->Present(deadline);
  bool changed = fresh.ok() && fresh->generation != generation;
  co_return changed ? Next::kAgain : Next::kGiveUp;
}

base::Task<absl::StatusOr<std::string>> Requester::ReadBody(Exchange& exchange,
                                                            base::MonoTime deadline) {
  BodyReader reader(exchange.head()->Find("content-encoding") == "gzip");
  for (;;) {
    std::string data = exchange.TakeData();
    auto added = reader.Add(data);
    if (!added.ok()) co_return added;
    if (exchange.has_data()) continue;
    if (exchange.ended()) break;
    if (exchange.failure()) co_return exchange.failure()->status;
    bool in_time = co_await exchange.Wait(deadline);
    if (!in_time) co_return absl::DeadlineExceededError("timed out reading the answer");
  }
  auto ended = reader.End();
  if (!ended.ok()) co_return ended;
  co_return reader.Take();
}

void Requester::Count(const Spec& spec, const std::string& code) {
  if (requests_ == nullptr) return;
  requests_->With({code, spec.method, pool_->server().Authority()}).Add();
}

void Requester::ObserveDuration(const Spec& spec, base::Nanos duration) {
  if (durations_ == nullptr) return;
  durations_->With({spec.verb, pool_->server().Authority()})
      .Observe(std::chrono::duration<double>(duration).count());
}

}  // namespace kubelet::client
