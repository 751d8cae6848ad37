#include "conformance/cluster.h"

#include "fakes/api_kinds.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/types.h"
#include "kubelet/base/status.h"
#include "kubelet/client/kubeconfig.h"

namespace kubelet::conformance {
namespace {

client::ObjectPath PathOf(const fakes::ApiKind& kind, const std::string& ns,
                          const std::string& name, const std::string& subresource = "") {
  client::ObjectPath path;
  path.resource = {kind.group.c_str(), kind.version.c_str(), kind.plural.c_str(), kind.namespaced};
  if (kind.namespaced) path.namespace_ = ns;
  path.name = name;
  path.subresource = subresource;
  return path;
}

const fakes::ApiKind* ByPlural(const std::string& plural) {
  for (const auto& kind : fakes::ApiKinds())
    if (kind.plural == plural) return &kind;
  return nullptr;
}

const fakes::ApiKind* ByKind(const std::string& name) {
  for (const auto& kind : fakes::ApiKinds())
    if (kind.kind == name) return &kind;
  return nullptr;
}

absl::Status NoSuchKind(const std::string& name) {
  return absl::InvalidArgumentError("no such kind: " + name);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Cluster>> Cluster::Open(Deps deps, Options options) {
  std::unique_ptr<Cluster> cluster(new Cluster);
  std::string kubeconfig = options.kubeconfig;
  if (kubeconfig.empty()) {
    fakes::ApiServerOptions server;
    server.dir = options.dir;
    server.node = options.node;
    server.controllers.schedule = false;
    server.port = options.port;
    auto own = fakes::ApiServer::Start(deps.executor, deps.clock, std::move(server));
    if (!own.ok()) return own.status();
    cluster->own_ = *std::move(own);
    kubeconfig = options.dir + "/admin.conf";
  }
  auto config = client::LoadKubeconfig(kubeconfig);
  if (!config.ok()) return config.status();
  cluster->config_ = *config;
  client::CredentialDeps credential_deps{deps.executor, deps.clock, deps.pool};
  cluster->credentials_ = client::MakeCredentials(*config, credential_deps);
  client::HttpApiOptions http;
  http.user_agent = "kubelet-conformance";
  http.qps = -1;
  client::HttpApi::Deps api_deps{deps.executor, deps.clock, deps.pool, *cluster->credentials_};
  cluster->api_ = std::make_unique<client::HttpApi>(api_deps, *config, http);
  return cluster;
}

base::Task<absl::Status> Cluster::Create(Json object) {
  std::string name = object.is_object() ? Text(object.as_object(), "kind") : "";
  const fakes::ApiKind* kind = ByKind(name);
  if (kind == nullptr) co_return NoSuchKind(name);
  std::shared_ptr<google::protobuf::Message> message(kind->item->New());
  api::DecodeOptions strict;
  strict.strict = true;
  absl::Status read = api::DecodeJson(boost::json::serialize(object), *message, strict);
  if (!read.ok()) co_return read;
  client::Call call;
  call.verb = client::Call::Verb::kCreate;
  call.path = PathOf(*kind, fakes::MetaOf(*message).namespace_(), "");
  call.body = message;
  auto created = co_await api_->Do(std::move(call), nullptr);
  co_return created;
}

base::Task<absl::StatusOr<Json>> Cluster::Get(std::string plural, std::string ns,
                                              std::string name) {
  const fakes::ApiKind* kind = ByPlural(plural);
  if (kind == nullptr) co_return NoSuchKind(plural);
  std::unique_ptr<google::protobuf::Message> out(kind->item->New());
  client::Call call;
  call.path = PathOf(*kind, ns, name);
  auto got = co_await api_->Do(std::move(call), out.get());
  if (!got.ok()) co_return got;
  auto parsed = ParseJson(api::EncodeJson(*out));
  co_return parsed;
}

base::Task<absl::Status> Cluster::Patch(std::string plural, std::string ns, std::string name,
                                        std::string subresource, std::string type, Json patch) {
  const fakes::ApiKind* kind = ByPlural(plural);
  if (kind == nullptr) co_return NoSuchKind(plural);
  client::Call call;
  call.verb = client::Call::Verb::kPatch;
  call.path = PathOf(*kind, ns, name, subresource);
  call.patch = boost::json::serialize(patch);
  call.patch_type =
      type == "json" ? "application/json-patch+json" : "application/" + type + "-patch+json";
  if (type == "strategic") call.patch_type = "application/strategic-merge-patch+json";
  auto patched = co_await api_->Do(std::move(call), nullptr);
  co_return patched;
}

base::Task<absl::Status> Cluster::Delete(std::string plural, std::string ns, std::string name,
                                         std::optional<int64_t> grace) {
  const fakes::ApiKind* kind = ByPlural(plural);
  if (kind == nullptr) co_return NoSuchKind(plural);
  client::Call call;
  call.verb = client::Call::Verb::kDelete;
  call.path = PathOf(*kind, ns, name);
  auto options = std::make_shared<api::meta::DeleteOptions>();
  if (grace) options->set_grace_period_seconds(*grace);
  call.body = options;
  auto deleted = co_await api_->Do(std::move(call), nullptr);
  if (absl::IsNotFound(deleted)) co_return absl::OkStatus();
  co_return deleted;
}

}  // namespace kubelet::conformance
