#include "source/url_source.h"

#include "kubelet/base/hash.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "source/checkpoint.h"

namespace kubelet::source {
namespace {

constexpr char kSaveKind[] = "checkpoints";

std::string Directory(const UrlSourceOptions& options) {
  return options.state_dir + "/static_pods";
}

// The uid hash takes the URL as configured; messages must not show its password.
std::string Shown(const std::string& url) {
  auto parsed = ParseUrl(url);
  return parsed.ok() ? parsed->ToString() : "staticPodURL";
}

}  // namespace

std::unique_ptr<PodSource> MakeUrlSource(UrlSourceOptions options, SourceDeps deps) {
  return std::make_unique<UrlSource>(std::move(options), std::move(deps));
}

UrlSource::UrlSource(UrlSourceOptions options, SourceDeps deps)
    : options_(std::move(options)),
      deps_(std::move(deps)),
      shown_url_(Shown(options_.url)),
      set_(options_.url, shown_url_, options_.node_name, options_.references),
      scope_(deps_.executor) {}

void UrlSource::Start() { scope_.Spawn("manifest url", Run()); }

base::Task<void> UrlSource::Stop() { co_await scope_.Stop(); }

std::vector<Problem> UrlSource::problems() const {
  auto out = set_.Problems();
  if (fetch_problem_) out.insert(out.begin(), *fetch_problem_);
  return out;
}

base::Task<void> UrlSource::Run() {
  if (!options_.state_dir.empty()) co_await Restore();
  if (restored_) {
    auto when = deps_.clock.Mono() + options_.restore_after;
    scope_.Spawn("kept manifests", DeliverRestored(when));
  }
  for (;;) {
    auto next = deps_.clock.Mono() + options_.check_period;
    co_await Fetch();
    if (restored_) Deliver();
    ++fetches_;
    auto now = deps_.clock.Mono();
    if (now < next) co_await base::SleepFor(deps_.clock, next - now);
  }
}

base::Task<void> UrlSource::Restore() {
  std::function<absl::StatusOr<std::string>()> load =
      [directory = Directory(options_), url = options_.url, node = options_.node_name] {
        return LoadUrlPods(directory, url, node);
      };
  auto pods = co_await deps_.pool.Run<std::string>(kSaveKind, options_.timeout, std::move(load));
  if (pods.ok() && pods->empty()) co_return;
  restored_ = pods.ok() && set_.Restore(*pods);
  if (restored_) co_return;
  LOG_ERROR("Cannot use the pods kept of the URL", "url", shown_url_, "err", pods.status());
}

base::Task<void> UrlSource::DeliverRestored(base::MonoTime when) {
  co_await base::SleepFor(deps_.clock, when - deps_.clock.Mono());
  if (restored_) Deliver();
}

base::Task<void> UrlSource::Save() {
  std::function<absl::Status()> save = [directory = Directory(options_), url = options_.url,
                                        node = options_.node_name, pods = set_.PodList()] {
    return SaveUrlPods(directory, url, node, pods);
  };
  auto saved = co_await deps_.pool.RunStatus(kSaveKind, options_.timeout, std::move(save));
  if (!saved.ok()) LOG_ERROR("Cannot keep the pods of the URL", "url", shown_url_, "err", saved);
}

void UrlSource::Deliver() {
  restored_ = false;
  Snapshot snapshot;
  snapshot.source = name_;
  snapshot.pods = set_.Pods();
  snapshot.complete = set_.complete();
  delivered_ = delivered_ || snapshot.complete;
  deps_.on_snapshot(snapshot);
}

base::Task<void> UrlSource::Fetch() {
  auto body = co_await GetBody();
  if (!body.ok()) {
    Report(body.status());
    co_return;
  }
  std::string id = base::Fnv1a128Hex(*body);
  bool changed = false;
  if (body_id_ != id) {
    body_id_ = id;
    changed = set_.Apply(*body, deps_.clock.Now());
    for (const auto& problem : set_.Problems()) {
      if (problem.severity == Problem::Severity::kWarning) {
        LOG_WARNING("Manifest problem", "origin", problem.origin, "pod", problem.pod, "what",
                    problem.text);
      } else {
        LOG_ERROR("Bad manifest", "origin", problem.origin, "pod", problem.pod, "what",
                  problem.text, "lastGoodKept", problem.kept);
      }
    }
    if (deps_.on_problem_change && !fetch_problem_) deps_.on_problem_change();
  }
  Report(absl::OkStatus());
  if (changed || (!delivered_ && set_.complete())) {
    bool keep = changed || !restored_;
    Deliver();
    if (keep && set_.complete() && !options_.state_dir.empty()) co_await Save();
  }
}

base::Task<absl::StatusOr<std::string>> UrlSource::GetBody() {
  auto url = ParseUrl(options_.url);
  if (!url.ok()) co_return url.status();
  GetRequest request;
  request.url = *url;
  request.headers = options_.headers;
  request.proxy = options_.proxy;
  request.timeout = options_.timeout;
  request.body_limit = kMaxManifest;
  if (url->https()) {
    auto loaded = co_await LoadRoots();
    if (!loaded.ok()) co_return loaded;
  }
  request.tls = tls_;
  auto response = co_await HttpGet(deps_.executor, deps_.clock, deps_.pool, request);
  if (absl::IsFailedPrecondition(response.status()) && !tls_) {
    auto loaded = co_await LoadRoots();
    if (!loaded.ok()) co_return loaded;
    request.tls = tls_;
    response = co_await HttpGet(deps_.executor, deps_.clock, deps_.pool, request);
  }
  if (!response.ok()) co_return response.status();
  if (response->code != 200) {
    co_return absl::UnavailableError("status " + std::to_string(response->code) + " " +
                                     response->reason);
  }
  if (response->body.empty())
    co_return absl::UnavailableError("empty body; a PodList without items removes all pods");
  co_return std::move(response->body);
}

// Once, as upstream's client does; a failure is tried again at the next fetch.
base::Task<absl::Status> UrlSource::LoadRoots() {
  if (tls_) co_return absl::OkStatus();
  client::TlsOptions tls;
  tls.ca_file = options_.ca_file;
  std::function<absl::StatusOr<client::TlsContext>()> load = [tls] {
    return client::MakeTlsContext(tls);
  };
  auto context = co_await deps_.pool.Run<client::TlsContext>("certificates", options_.timeout,
                                                             std::move(load));
  if (context.ok()) tls_ = *context;
  co_return context.status();
}

// Logs as upstream: three failures in a row in full, then one last word, then only at V(4).
void UrlSource::Report(const absl::Status& status) {
  std::optional<Problem> fresh;
  if (status.ok()) {
    if (failures_ > 0) LOG_INFO("Manifests are read from the URL again", "url", shown_url_);
    failures_ = 0;
  } else {
    ++failures_;
    if (failures_ <= 3) {
      LOG_ERROR("Cannot read manifests from the URL", "url", shown_url_, "err", status);
    } else if (failures_ == 4) {
      LOG_ERROR(
          "Cannot read manifests from the URL for 4 times in a row, further failures are logged at "
          "V(4)",
          "url", shown_url_, "err", status);
    } else {
      LOG_V(4, "Cannot read manifests from the URL", "url", shown_url_, "err", status);
    }
    fresh.emplace();
    fresh->origin = shown_url_;
    fresh->text = base::Message(status);
    fresh->kept = !set_.Pods().empty();
    fresh->since = fetch_problem_ ? fetch_problem_->since : deps_.clock.Now();
  }
  bool same =
      fresh.has_value() == fetch_problem_.has_value() && (!fresh || fresh->Same(*fetch_problem_));
  fetch_problem_ = std::move(fresh);
  if (!same && deps_.on_problem_change) deps_.on_problem_change();
}

}  // namespace kubelet::source
