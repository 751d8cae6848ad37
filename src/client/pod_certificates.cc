#include "kubelet/client/pod_certificates.h"

#include <algorithm>

#include "client/pem.h"
#include "k8s/core/v1/service.pb.h"
#include "kubelet/api/time.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::client {

using base::Task;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

namespace beta = ::k8s::io::api::certificates::v1beta1;
constexpr Resource kRequests{"certificates.k8s.io", "v1beta1", "podcertificaterequests", true};
constexpr base::Nanos kJitter = minutes(5), kAbandon = minutes(10), kOverdue = minutes(10);
constexpr base::Nanos kRetryFirst = seconds(1), kRetryLast = minutes(1), kCall = seconds(10);
constexpr base::Nanos kLook = minutes(1);  // the wall clock may be set while we sleep
constexpr char kPool[] = "pod certificate keys";

const api::core::PodCertificateProjection& SourceOf(const api::core::Pod& pod,
                                                    const std::string& volume, int source) {
  for (const auto& one : pod.spec().volumes()) {
    const auto& sources = one.volume_source().projected().sources();
    if (one.name() == volume && source < sources.size())
      return sources.Get(source).pod_certificate();
  }
  return api::core::PodCertificateProjection::default_instance();
}

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

}  // namespace

struct PodCertificates::Entry {
  Entry(const base::Executor& executor, base::Clock& clock) : wake(executor, clock) {}
  api::PodPtr pod;
  api::core::PodCertificateProjection source;
  bool gone = false;
  std::string request;  // `namespace/name` that is waited for
  base::WakeEvent wake;
  std::optional<PodCertificateBundle> bundle;
  base::WallTime refresh_at, not_after;  // as issued, without jitter
  base::Nanos jitter{0};
  absl::Status refused;    // for good
  std::string refused_as;  // `denied`, `failed`
  bool told_overdue = false, told_expired = false;
};

PodCertificates::PodCertificates(Deps deps) : deps_(std::move(deps)), scope_(deps_.watch.executor) {
  if (deps_.metrics != nullptr)
    states_ = &deps_.metrics->AddGauge(
        "kubelet_podcertificate_states",
        "Gauge vector reporting the number of pod certificate projected volume sources, faceted by "
        "signer_name and state.",
        {"signer_name", "state"});
}

PodCertificates::~PodCertificates() = default;

absl::StatusOr<PodCertificateBundle> PodCertificates::Get(const api::PodPtr& pod,
                                                          const std::string& volume, int source) {
  Key key{pod->metadata().uid(), volume, source};
  auto& entry = entries_[key];
  if (!entry) {
    entry = std::make_shared<Entry>(deps_.watch.executor, deps_.watch.clock);
    entry->pod = pod;
    entry->source = SourceOf(*pod, volume, source);
    scope_.Spawn("pod certificate of " + api::PodKey(*pod), Drive(key, entry));
    CountStates();
  }
  if (!entry->refused.ok()) return entry->refused;
  if (!entry->bundle) return absl::UnavailableError("credential bundle is not issued yet");
  return *entry->bundle;
}

void PodCertificates::ForgetPod(const std::string& uid) {
  size_t before = entries_.size();
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (it->first.uid != uid) {
      ++it;
      continue;
    }
    it->second->gone = true;
    it->second->wake.Notify();
    it = entries_.erase(it);
  }
  if (entries_.size() != before) CountStates();
}

Task<void> PodCertificates::Drive(Key key, EntryPtr entry) {
  auto& clock = deps_.watch.clock;
  base::Nanos retry = kRetryFirst;
  while (!entry->gone && entry->refused.ok()) {
    auto status = co_await Issue(entry);
    if (entry->gone || !entry->refused.ok()) break;
    base::MonoTime again = clock.Mono() + retry;
    if (status.ok()) {
      retry = kRetryFirst;
    } else {
      retry = std::min(2 * retry, kRetryLast);
      LOG_WARNING("Cannot get a pod certificate yet", "pod", api::PodKey(*entry->pod), "volume",
                  key.volume, "source", key.source, "err", status);
    }
    // Clocks that disagree shall not make us ask in a loop.
    base::MonoTime earliest = clock.Mono() + kLook;
    for (;;) {
      Remind(*entry);
      base::Nanos left = again - clock.Mono();
      if (status.ok()) {
        left = entry->refresh_at + entry->jitter - clock.Now();
        left = std::max(left, base::Nanos(earliest - clock.Mono()));
      }
      if (left <= base::Nanos(0) || entry->gone) break;
      co_await entry->wake.Wait(clock.Mono() + std::min(left, kLook));
    }
  }
}

// One key, one request, its answer. OK: there is a new certificate, or a refusal.
Task<absl::Status> PodCertificates::Issue(EntryPtr entry) {
  std::string key_pem;
  Watch(+1);
  auto created = co_await Create(entry, &key_pem);
  absl::Status status = created.status();
  if (created.ok() && !entry->gone) {
    entry->request = *created;
    status = co_await WaitAnswer(entry, std::move(key_pem));
  }
  entry->request.clear();
  Watch(-1);
  co_return status;
}

Task<absl::StatusOr<std::string>> PodCertificates::Create(EntryPtr entry, std::string* key_pem) {
  const auto& pod = *entry->pod;
  const auto& source = entry->source;
  std::string node_uid = deps_.node_uid();
  if (node_uid.empty()) co_return absl::UnavailableError("the node is not registered yet");
  Call get;
  get.path.resource = kServiceAccounts;
  get.path.namespace_ = pod.metadata().namespace_();
  get.path.name = pod.spec().service_account_name();
  get.timeout = kCall;
  api::core::ServiceAccount account;
  auto status = co_await deps_.watch.api.Do(std::move(get), &account);
  if (!status.ok()) co_return base::Annotate(status, "while fetching service account");
  std::function<absl::StatusOr<KeyAndProof>()> make = [type = source.key_type()] {
    return MakeKeyAndProof(type);
  };
  std::string kind = kPool;
  auto made = co_await deps_.pool.Run<KeyAndProof>(std::move(kind), minutes(2), std::move(make));
  if (!made.ok()) co_return base::Annotate(made.status(), "while generating keypair");
  auto request = std::make_shared<Request>();
  auto& meta = *request->mutable_metadata();
  meta.set_generate_name("req-");
  meta.set_namespace_(pod.metadata().namespace_());
  auto* owner = meta.add_owner_references();
  owner->set_api_version("v1");
  owner->set_kind("Pod");
  owner->set_name(pod.metadata().name());
  owner->set_uid(pod.metadata().uid());
  auto& spec = *request->mutable_spec();
  spec.set_signer_name(source.signer_name());
  spec.set_pod_name(pod.metadata().name());
  spec.set_pod_uid(pod.metadata().uid());
  spec.set_service_account_name(pod.spec().service_account_name());
  spec.set_service_account_uid(account.metadata().uid());
  spec.set_node_name(deps_.node_name);
  spec.set_node_uid(node_uid);
  if (source.has_max_expiration_seconds())
    spec.set_max_expiration_seconds(source.max_expiration_seconds());
  spec.set_stub_pkcs10_request(made->request_der);
  *spec.mutable_unverified_user_annotations() = source.user_annotations();
  Call create;
  create.verb = Call::Verb::kCreate;
  create.path.resource = kRequests;
  create.path.namespace_ = pod.metadata().namespace_();
  create.body = std::move(request);
  create.timeout = kCall;
  Request answer;
  status = co_await deps_.watch.api.Do(std::move(create), &answer);
  if (!status.ok()) co_return base::Annotate(status, "while creating PodCertificateRequest");
  *key_pem = made->key_pem;
  co_return answer.metadata().namespace_() + "/" + answer.metadata().name();
}

Task<absl::Status> PodCertificates::WaitAnswer(EntryPtr entry, std::string key_pem) {
  auto& clock = deps_.watch.clock;
  auto jitter = std::chrono::duration_cast<base::Nanos>(kJitter * deps_.random());
  base::MonoTime abandon = clock.Mono() + kAbandon + jitter;
  size_t slash = entry->request.find('/');
  std::string ns = entry->request.substr(0, slash), name = entry->request.substr(slash + 1);
  while (!entry->gone) {
    auto found = std::static_pointer_cast<const Request>(requests_->Find(ns, name));
    bool done = false;
    if (found) {
      auto status = Answered(*entry, *found, key_pem, &done);
      if (done) co_return status;
    } else if (requests_->synced() && clock.Mono() > abandon) {
      co_return absl::AbortedError("PodCertificateRequest " + Quoted(entry->request) +
                                   " appears to have been deleted");
    }
    Remind(*entry);
    co_await entry->wake.Wait(clock.Mono() + kLook);
  }
  co_return absl::CancelledError("the pod is gone");
}

absl::Status PodCertificates::Answered(Entry& entry, const Request& request,
                                       const std::string& key_pem, bool* done) {
  for (const auto& condition : request.status().conditions()) {
    const std::string& type = condition.type();
    *done = type == "Denied" || type == "Failed" || type == "Issued";
    if (!*done) continue;
    if (type != "Issued") {
      Refuse(entry, request, type);
      return absl::OkStatus();
    }
    std::string chain;
    for (const auto& block : PemBlocks(request.status().certificate_chain()))
      chain += PemText("CERTIFICATE", block);
    entry.bundle = PodCertificateBundle{key_pem, chain};
    // The server requires both.
    auto soon = deps_.watch.clock.Now() + std::chrono::hours(1);
    entry.refresh_at = api::ToWallTime(request.status().begin_refresh_at()).value_or(soon);
    entry.not_after = api::ToWallTime(request.status().not_after()).value_or(soon);
    entry.jitter = std::chrono::duration_cast<base::Nanos>(kJitter * deps_.random());
    entry.told_overdue = entry.told_expired = false;
    Changed(entry);
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

void PodCertificates::Refuse(Entry& entry, const Request& request, const std::string& type) {
  bool denied = type == "Denied";
  std::string reason, message;
  for (const auto& condition : request.status().conditions()) {
    if (condition.type() != type) continue;
    reason = condition.reason();
    message = condition.message();
  }
  std::string told = "reason=" + Quoted(reason) + ", message=" + Quoted(message);
  entry.refused_as = denied ? "denied" : "failed";
  entry.refused =
      absl::FailedPreconditionError("PodCertificateRequest was permanently " + entry.refused_as +
                                    ": reason=" + Quoted(reason) + " message=" + Quoted(message));
  if (deps_.on_event)
    deps_.on_event(*entry.pod, type,
                   "PodCertificateRequest " + request.metadata().namespace_() + "/" +
                       request.metadata().name() + (denied ? " was denied, " : " failed, ") + told);
  Changed(entry);
}

// The watch is there while somebody waits.
void PodCertificates::Watch(int change) {
  waiting_ += change;
  if (waiting_ == 0) {
    requests_.reset();
    return;
  }
  if (requests_) return;
  Reflector::Options options;
  options.path.resource = kRequests;
  options.field_selector = "spec.nodeName=" + deps_.node_name;
  options.item = &Request::default_instance();
  options.list = &beta::PodCertificateRequestList::default_instance();
  Collection::Hooks hooks;
  hooks.on_change = [this](const std::string& ns, const std::string& name) {
    for (const auto& [key, entry] : entries_)
      if (entry->request == ns + "/" + name) entry->wake.Notify();
  };
  hooks.on_synced = [this] {
    for (const auto& [key, entry] : entries_) entry->wake.Notify();
  };
  requests_ = std::make_unique<Collection>(deps_.watch, std::move(options), std::move(hooks));
  requests_->Start();
}

void PodCertificates::Remind(Entry& entry) {
  if (!entry.bundle || entry.gone) return;
  auto now = deps_.watch.clock.Now();
  bool overdue = now > entry.refresh_at + entry.jitter + kOverdue;
  bool expired = now > entry.not_after;
  bool news = false;
  if (overdue && !std::exchange(entry.told_overdue, true)) {
    news = true;
    if (deps_.on_event)
      deps_.on_event(*entry.pod, "CertificateOverdueForRefresh", "PodCertificate refresh overdue");
  }
  if (expired && !std::exchange(entry.told_expired, true)) {
    news = true;
    if (deps_.on_event) deps_.on_event(*entry.pod, "CertificateExpired", "PodCertificate expired");
  }
  if (news) CountStates();
}

void PodCertificates::Changed(Entry& entry) {
  CountStates();
  deps_.on_change(entry.pod->metadata().uid());
}

void PodCertificates::CountStates() {
  if (states_ == nullptr) return;
  std::map<std::pair<std::string, std::string>, int> counts;
  for (const auto& [key, entry] : entries_) {
    std::string state = entry->refused_as;
    if (state.empty())
      state = !entry->bundle        ? "not_yet_issued"
              : entry->told_expired ? "expired"
              : entry->told_overdue ? "overdue_for_refresh"
                                    : "fresh";
    ++counts[{entry->source.signer_name(), state}];
  }
  for (const auto& series : counted_)
    if (!counts.contains(series)) states_->Remove({series.first, series.second});
  counted_.clear();
  for (const auto& [series, count] : counts) {
    states_->With({series.first, series.second}).Set(count);
    counted_.insert(series);
  }
}

}  // namespace kubelet::client
