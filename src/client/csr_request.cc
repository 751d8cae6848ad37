#include "client/csr_request.h"

#include "absl/strings/escaping.h"
#include "k8s/certificates/v1/certificates.pb.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

namespace certificates = ::k8s::io::api::certificates::v1;
using Csr = certificates::CertificateSigningRequest;
using Query = std::vector<std::pair<std::string, std::string>>;
using namespace std::chrono_literals;

std::string RawUrlBase64(const std::string& data) {
  std::string out;
  absl::WebSafeBase64Escape(data, &out);
  out.erase(out.find_last_not_of('=') + 1);
  return out;
}

// The certificate, an empty text while there is none, or why there will be none.
absl::StatusOr<std::string> AnswerOf(const Csr& csr, const std::string& uid) {
  const std::string what = "certificate signing request " + csr.metadata().name();
  if (!uid.empty() && csr.metadata().uid() != uid)
    return absl::AbortedError(what + " was deleted and made again by somebody else");
  bool approved = false;
  for (const auto& condition : csr.status().conditions()) {
    bool denied = condition.type() == "Denied";
    if (denied || condition.type() == "Failed")
      return absl::FailedPreconditionError(what + (denied ? " is denied" : " has failed") + ": " +
                                           condition.reason() + ": " + condition.message());
    approved = approved || condition.type() == "Approved";
  }
  return approved ? csr.status().certificate() : std::string();
}

Call MakeCreate(const CsrRequest& request) {
  auto csr = std::make_shared<Csr>();
  if (request.name.empty()) {
    csr->mutable_metadata()->set_generate_name("csr-");
  } else {
    csr->mutable_metadata()->set_name(request.name);
  }
  csr->mutable_spec()->set_request(request.csr_pem);
  csr->mutable_spec()->set_signer_name(request.signer);
  for (const auto& usage : UsagesOf(request.signer)) csr->mutable_spec()->add_usages(usage);
  Call call;
  call.verb = Call::Verb::kCreate;
  call.path.resource = kCertificateSigningRequests;
  call.body = std::move(csr);
  return call;
}

absl::Status CheckOurs(const Csr& csr, const CsrRequest& request) {
  const std::string what = "the existing certificate signing request " + request.name;
  if (csr.spec().signer_name() != request.signer)
    return absl::FailedPreconditionError(what + " is for the signer " + csr.spec().signer_name());
  auto key = ParseKey(request.key_pem);
  absl::Status same =
      key.ok() ? CheckCsr(csr.spec().request(), key->get(), request.want) : key.status();
  if (!same.ok()) return absl::FailedPreconditionError(what + ": " + base::Message(same));
  return absl::OkStatus();
}

base::Task<absl::StatusOr<Csr>> Create(Api& api, CsrRequest request) {
  Csr csr;
  Call call = MakeCreate(request);
  absl::Status status = co_await api.Do(std::move(call), &csr);
  if (status.ok()) co_return csr;
  if (!absl::IsAlreadyExists(status) || request.name.empty())
    co_return base::Annotate(status, "cannot create a certificate signing request");
  Call get;
  get.path.resource = kCertificateSigningRequests;
  get.path.name = request.name;
  status = co_await api.Do(std::move(get), &csr);
  if (!status.ok())
    co_return base::Annotate(status, "cannot get certificate signing request " + request.name);
  status = CheckOurs(csr, request);
  if (!status.ok()) co_return status;
  LOG_INFO("Going on with the certificate signing request of an earlier start", "csr",
           request.name);
  co_return csr;
}

// Lists what has the name. Aborted when there is none any more.
base::Task<absl::StatusOr<certificates::CertificateSigningRequestList>> List(Api& api,
                                                                             std::string name) {
  certificates::CertificateSigningRequestList list;
  Call call;
  call.verb = Call::Verb::kList;
  call.path.resource = kCertificateSigningRequests;
  call.query.emplace_back("fieldSelector", "metadata.name=" + name);
  absl::Status status = co_await api.Do(std::move(call), &list);
  if (!status.ok()) co_return status;
  if (list.items().empty())
    co_return absl::AbortedError("certificate signing request " + name + " was deleted");
  co_return list;
}

// One watch, until it ends (an empty text) or there is an answer.
base::Task<absl::StatusOr<std::string>> Follow(Api& api, std::string name, std::string uid,
                                               std::string version) {
  ObjectPath path;
  path.resource = kCertificateSigningRequests;
  Query query;
  query.emplace_back("fieldSelector", "metadata.name=" + name);
  query.emplace_back("resourceVersion", version);
  query.emplace_back("allowWatchBookmarks", "true");
  auto stream = co_await api.Watch(std::move(path), std::move(query), &Csr::default_instance());
  if (!stream.ok()) co_return stream.status();
  for (;;) {
    auto event = co_await (*stream)->Next();
    if (!event.ok()) co_return event.status();
    if (event->type == WatchEvent::Type::kBookmark) continue;
    if (event->type == WatchEvent::Type::kDeleted)
      co_return absl::AbortedError("certificate signing request " + name + " was deleted");
    auto answer = AnswerOf(static_cast<const Csr&>(*event->object), uid);
    if (!answer.ok() || !answer->empty()) co_return answer;
  }
}

bool Final(const absl::Status& status) {
  return absl::IsAborted(status) || absl::IsFailedPrecondition(status) ||
         absl::IsPermissionDenied(status) || absl::IsUnauthenticated(status);
}

}  // namespace

std::vector<std::string> UsagesOf(const std::string& signer) {
  return {"digital signature", signer == kServingSigner ? "server auth" : "client auth"};
}

absl::StatusOr<std::string> DigestedName(EVP_PKEY* key, const CsrTemplate& want,
                                         const std::vector<std::string>& usages) {
  // `|` is in none of the encoded parts, so no two inputs make the same text.
  std::string text;
  auto add = [&text](const std::string& part) { text += RawUrlBase64(part) + "|"; };
  ASSIGN_OR_RETURN(std::string der, PublicKeyDer(key));
  add(der);
  add(want.common_name);
  for (const auto& organization : want.organizations) add(organization);
  for (const auto& usage : usages) add(usage);
  ASSIGN_OR_RETURN(std::string digest, Sha512_256(text));
  return "node-csr-" + RawUrlBase64(digest);
}

base::Task<absl::StatusOr<std::string>> RequestCertificate(
    Api& api, base::Clock& clock, CsrRequest request,
    std::function<void(const std::string& name)> created) {
  auto csr = co_await Create(api, std::move(request));
  if (!csr.ok()) co_return csr.status();
  const std::string name = csr->metadata().name(), uid = csr->metadata().uid();
  created(name);
  auto answer = AnswerOf(*csr, uid);
  auto delay = 1s;
  while (answer.ok() && answer->empty()) {
    auto list = co_await List(api, name);
    absl::Status status = list.status();
    if (list.ok()) {
      answer = AnswerOf(list->items(0), uid);
      if (!answer.ok() || !answer->empty()) break;
      auto followed = co_await Follow(api, name, uid, list->metadata().resource_version());
      // A watch that ended in good order is opened again at once, but not in a hot loop.
      if (followed.ok() || Final(followed.status())) {
        answer = std::move(followed);
        break;
      }
      status = followed.status();
      if (absl::IsOutOfRange(status)) delay = 1s;
    }
    if (Final(status)) co_return status;
    LOG_V(2, "Waiting for a certificate is interrupted", "csr", name, "err", status);
    co_await base::SleepFor(clock, delay);
    delay = std::min(2 * delay, std::chrono::seconds(30));
  }
  co_return answer;
}

}  // namespace kubelet::client
