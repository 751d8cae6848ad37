#include <algorithm>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "server/endpoints.h"
#include "server/log_reader.h"

namespace kubelet::server {
namespace {

constexpr base::Nanos kReadTime = std::chrono::seconds(30);
// How often a file is looked at that is to be left; its closing wakes a follower at once.
constexpr base::Nanos kLook = std::chrono::milliseconds(50);
constexpr base::Nanos kPoll = std::chrono::seconds(1);

// Ends a follower's registration, however its task ends.
class Registration {
 public:
  Registration(ContextPtr context, std::shared_ptr<Follower> follower)
      : context_(std::move(context)), follower_(std::move(follower)) {
    ++context_->followers;
  }
  ~Registration() {
    --context_->followers;
    context_->logs.Remove(follower_);
  }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

 private:
  ContextPtr context_;
  std::shared_ptr<Follower> follower_;
};

struct LogJob {
  ContextPtr context;
  ExchangePtr exchange;
  LogSource source;
  std::shared_ptr<LogReader> reader;
  bool follow = false;
};

base::Task<absl::StatusOr<LogStep>> NextStep(LogJob* job, bool over, bool advance) {
  std::function<absl::StatusOr<LogStep>()> work = [reader = job->reader, over, advance] {
    return advance ? reader->Advance(over) : reader->Read(over);
  };
  auto step = co_await job->context->place.files.Run<LogStep>("logs", kReadTime, std::move(work));
  co_return step;
}

base::Task<bool> StillRuns(LogJob* job) {
  std::function<base::Task<bool>()> ask = [pods = &job->context->deps.pods, source = job->source] {
    return pods->Running(source.pod_uid, source.container);
  };
  bool runs = co_await job->context->core.Call<bool>("log container", std::move(ask));
  co_return runs;
}

// Sends what is there; false: the answer is over.
base::Task<bool> SendStep(LogJob* job, absl::StatusOr<LogStep>* step) {
  auto& exchange = *job->exchange;
  if (!step->ok()) {
    std::string text = base::Message(step->status());
    LOG_V(2, "Cannot read a container's log", "path", job->source.path, "err", step->status());
    if (!exchange.begun()) {
      co_await exchange.Respond(400, kPlainText, text);
    } else {
      co_await exchange.Send(text);
      co_await exchange.End();
    }
    co_return false;
  }
  if (!exchange.begun()) {
    auto begun = co_await exchange.Begin(200, kPlainText);
    if (!begun.ok()) co_return false;
  }
  auto sent = co_await exchange.Send(std::move((*step)->out));
  if (!sent.ok() || exchange.hung_up()) co_return false;
  if (!(*step)->done) co_return true;
  co_await exchange.End();
  co_return false;
}

base::Task<void> CopyLog(LogJob* job) {
  for (;;) {
    auto step = co_await NextStep(job, false, false);
    bool more = co_await SendStep(job, &step);
    if (!more) co_return;
  }
}

// Waits for the writer of a file that is to be left. True: it was waited long enough.
class Patience {
 public:
  explicit Patience(base::Clock& clock) : clock_(clock) {}
  base::MonoTime Look(base::Nanos time) {
    if (!until_) until_ = clock_.Mono() + time;
    return std::min(*until_, clock_.Mono() + kLook);
  }
  bool Over() const { return until_ && clock_.Mono() >= *until_; }
  void Reset() { until_.reset(); }

 private:
  base::Clock& clock_;
  std::optional<base::MonoTime> until_;
};

base::Task<void> FollowLog(LogJob* job, std::shared_ptr<Follower> follower) {
  auto& place = job->context->place;
  bool over = false, advance = false, watching = false;
  Patience patience(place.clock);
  for (;;) {
    auto step = co_await NextStep(job, over, advance);
    bool more = co_await SendStep(job, &step);
    if (!more) co_return;
    advance = false;
    if (step->waiting) {
      std::optional<base::MonoTime> look = patience.Look(step->patience);
      co_await follower->wake.Wait(look);
      if (job->exchange->hung_up()) co_return;
      advance = patience.Over();
      continue;
    }
    patience.Reset();
    if (!step->at_end) continue;
    if (!watching) {
      // Then once more: what came before the watch made no event.
      watching = true;
      std::string directory = job->reader->path();
      directory.resize(directory.rfind('/'));
      co_await job->context->logs.Add(follower, directory);
      continue;
    }
    if (follower->look_at_pod || follower->polling) {
      follower->look_at_pod = false;
      bool runs = co_await StillRuns(job);
      over = !runs;
      if (over) continue;
    }
    std::optional<base::MonoTime> until;
    if (follower->polling) until = place.clock.Mono() + kPoll;
    co_await follower->wake.Wait(until);
    if (job->exchange->hung_up()) co_return;
  }
}

int CodeOf(const absl::Status& status) {
  if (status.code() == absl::StatusCode::kNotFound) return 404;
  return status.code() == absl::StatusCode::kFailedPrecondition ? 422 : 400;
}

}  // namespace

base::Task<void> ServeLogs(ContextPtr context, ExchangePtr exchange, Route route) {
  auto query = ParseLogQuery(exchange->request().query, context->options.split_streams,
                             context->place.clock.Now());
  if (!query.ok()) {
    co_await exchange->Respond(CodeOf(query.status()), kPlainText, base::Message(query.status()));
    co_return;
  }
  std::function<base::Task<absl::StatusOr<LogSource>>()> find = [pods = &context->deps.pods, route,
                                                                 previous = query->previous] {
    return pods->FindLog(route.pod, route.container, previous);
  };
  auto source = co_await context->core.Call<absl::StatusOr<LogSource>>("find log", std::move(find));
  if (!source.ok()) {
    int code = source.status().code() == absl::StatusCode::kNotFound ? 404 : 400;
    co_await exchange->Respond(code, kPlainText, base::Message(source.status()));
    co_return;
  }
  LogJob job;
  job.context = context;
  job.exchange = exchange;
  job.source = *source;
  job.follow = query->follow;
  job.reader = std::make_shared<LogReader>(source->path, *query);
  if (!job.follow) {
    co_await CopyLog(&job);
    co_return;
  }
  auto follower = std::make_shared<Follower>(context->place.executor, context->place.clock);
  follower->pod_uid = source->pod_uid;
  Registration registration(context, follower);
  std::function<void()> hook = [follower] { follower->wake.Notify(); };
  context->scope.Spawn("log client", exchange->WatchHangup(std::move(hook)));
  co_await FollowLog(&job, follower);
}

}  // namespace kubelet::server
