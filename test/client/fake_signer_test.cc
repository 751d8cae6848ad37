#include "fake_signer.h"

namespace kubelet::client::support {

using Csr = FakeSigner::Csr;
using CsrList = k8s::io::api::certificates::v1::CertificateSigningRequestList;

class SignerStream : public WatchStream {
 public:
  SignerStream(FakeSigner& signer, std::shared_ptr<FakeSigner::Watch> watch)
      : signer_(signer), watch_(std::move(watch)) {}
  ~SignerStream() override { signer_.watches_.remove(watch_); }
  base::Task<absl::StatusOr<WatchEvent>> Next() override {
    auto watch = watch_;
    while (watch->queue.empty() && !watch->ended) co_await watch->wake->Wait();
    if (watch->queue.empty()) co_return absl::OutOfRangeError("the watch has ended");
    WatchEvent event = std::move(watch->queue.front());
    watch->queue.erase(watch->queue.begin());
    co_return event;
  }

 private:
  FakeSigner& signer_;
  std::shared_ptr<FakeSigner::Watch> watch_;
};

class SignerClient : public Api {
 public:
  SignerClient(FakeSigner& signer, Credentials* credentials)
      : signer_(signer), credentials_(credentials) {}

  base::Task<absl::Status> Do(Call call, google::protobuf::Message* out) override {
    if (credentials_ != nullptr) {
      auto getting = credentials_->Get();
      auto shown = co_await std::move(getting);
      if (!shown.ok()) co_return shown.status();
      std::string who = shown->bearer_token;
      if (!shown->cert_pem.empty()) who = "cert:" + CommonName(shown->cert_pem);
      signer_.presented.push_back(who);
    }
    if (!signer_.refuse.ok()) co_return signer_.refuse;
    auto* csr = dynamic_cast<Csr*>(out);
    if (call.verb == Call::Verb::kCreate)
      co_return signer_.Create(dynamic_cast<const Csr&>(*call.body), csr);
    if (call.verb == Call::Verb::kGet) {
      auto it = signer_.csrs.find(call.path.name);
      if (it == signer_.csrs.end()) co_return absl::NotFoundError(call.path.name);
      *csr = it->second;
      co_return absl::OkStatus();
    }
    REQUIRE(call.verb == Call::Verb::kList);
    auto* list = dynamic_cast<CsrList*>(out);
    list->mutable_metadata()->set_resource_version("1");
    auto it = signer_.csrs.find(NameIn(call.query));
    if (it != signer_.csrs.end()) *list->add_items() = it->second;
    co_return absl::OkStatus();
  }

  base::Task<absl::StatusOr<std::unique_ptr<WatchStream>>> Watch(
      ObjectPath path, std::vector<std::pair<std::string, std::string>> query,
      const google::protobuf::Message*) override {
    REQUIRE(path.resource.plural == std::string("certificatesigningrequests"));
    auto watch = std::make_shared<FakeSigner::Watch>();
    watch->name = NameIn(query);
    watch->wake = std::make_shared<base::WakeEvent>(signer_.executor_, signer_.clock_);
    signer_.watches_.push_back(watch);
    std::unique_ptr<WatchStream> stream = std::make_unique<SignerStream>(signer_, watch);
    co_return stream;
  }

 private:
  static std::string NameIn(const std::vector<std::pair<std::string, std::string>>& query) {
    const std::string start = "metadata.name=";
    REQUIRE(query[0].first == "fieldSelector");
    REQUIRE(query[0].second.rfind(start, 0) == 0);
    return query[0].second.substr(start.size());
  }
  static std::string CommonName(const std::string& pem) {
    return InfoOf((*ParseCertificates(pem))[0].get())->common_name;
  }
  FakeSigner& signer_;
  Credentials* credentials_;
};

absl::Status FakeSigner::Create(const Csr& body, Csr* out) {
  ++creates;
  Csr csr = body;
  std::string name = csr.metadata().name();
  if (name.empty()) name = csr.metadata().generate_name() + "x" + std::to_string(++next_);
  if (csrs.count(name) > 0) return ToStatus({409, "AlreadyExists", name + " exists", {}});
  csr.mutable_metadata()->set_name(name);
  csr.mutable_metadata()->set_uid("uid-" + std::to_string(++next_));
  csrs[name] = csr;
  if (mode != Mode::kHold) Decide(name, mode);
  *out = csrs[name];
  return absl::OkStatus();
}

void FakeSigner::Decide(const std::string& name, Mode how) {
  Csr& csr = csrs.at(name);
  auto* condition = csr.mutable_status()->add_conditions();
  condition->set_reason("Test");
  condition->set_message("by hand");
  condition->set_type(how == Mode::kDeny ? "Denied" : how == Mode::kFail ? "Failed" : "Approved");
  if (how == Mode::kApprove) {
    auto now = clock_.Now() + server_clock;
    csr.mutable_status()->set_certificate(ca.Sign(csr.spec().request(), now - 5min, now + life));
  }
  Tell(name, WatchEvent::Type::kModified);
}

void FakeSigner::Remove(const std::string& name) {
  Tell(name, WatchEvent::Type::kDeleted);
  csrs.erase(name);
}

void FakeSigner::Tell(const std::string& name, WatchEvent::Type type) {
  for (auto& watch : watches_) {
    if (watch->name != name) continue;
    watch->queue.push_back({type, std::make_shared<Csr>(csrs.at(name))});
    watch->wake->Notify();
  }
}

void FakeSigner::EndWatches() {
  for (auto& watch : watches_) {
    watch->ended = true;
    watch->wake->Notify();
  }
}

std::unique_ptr<Api> FakeSigner::Client(Credentials* credentials) {
  return std::make_unique<SignerClient>(*this, credentials);
}

}  // namespace kubelet::client::support
