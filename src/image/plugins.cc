#include "image/plugins.h"

#include <algorithm>

#include "image/cancelled.h"
#include "image/registry_url.h"
#include "kubelet/api/codec.h"
#include "kubelet/base/hash.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/image/files.pb.h"

namespace kubelet::image {

using base::Message;
using base::Task;

namespace {

// Parts of a key, each with its length before it, so that no two lists make the same key.
std::string JoinKey(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& part : parts) out += std::to_string(part.size()) + ":" + part;
  return out;
}

std::string RegistryOf(const std::string& repository) {
  return repository.substr(0, repository.find('/'));
}

}  // namespace

std::string PluginRequest(const std::string& api_version, const std::string& repository,
                          const std::string& token,
                          const std::map<std::string, std::string>& annotations) {
  files::CredentialProviderRequest request;
  request.set_kind("CredentialProviderRequest");
  request.set_api_version(api_version);
  request.set_image(repository);
  if (!token.empty()) request.set_service_account_token(token);
  request.mutable_service_account_annotations()->insert(annotations.begin(), annotations.end());
  return api::EncodeJson(request) + "\n";
}

absl::StatusOr<PluginAnswer> ParsePluginAnswer(const std::string& text,
                                               const std::string& api_version) {
  files::CredentialProviderResponse response;
  api::DecodeOptions strict;
  strict.strict = true;
  auto meta = api::PeekTypeMeta(text);
  if (!meta.ok()) return absl::InvalidArgumentError("its answer is no JSON");
  if (meta->api_version != api_version) {
    return absl::InvalidArgumentError("its answer has apiVersion \"" + meta->api_version +
                                      "\" and not " + api_version);
  }
  if (meta->kind != "CredentialProviderResponse")
    return absl::InvalidArgumentError("its answer has kind \"" + meta->kind + "\"");
  if (!api::DecodeYaml(text, response, strict).ok())
    return absl::InvalidArgumentError("its answer cannot be decoded");
  PluginAnswer out;
  const std::string& key = response.cache_key_type();
  if (key == "Image") {
    out.key = PluginAnswer::Key::kImage;
  } else if (key == "Registry") {
    out.key = PluginAnswer::Key::kRegistry;
  } else if (key == "Global") {
    out.key = PluginAnswer::Key::kGlobal;
  } else {
    return absl::InvalidArgumentError("its answer has cacheKeyType \"" + key +
                                      "\", which must be Image, Registry or Global");
  }
  if (response.has_cache_duration())
    out.cache_for = base::Nanos(response.cache_duration().duration());
  for (const auto& [address, auth] : response.auth())
    out.accounts[address] = {auth.username(), auth.password(), ""};
  return out;
}

CredentialPlugins::CredentialPlugins(Deps deps, PluginConfig config)
    : deps_(std::move(deps)), config_(std::move(config)), scope_(deps_.executor) {
  purge_at_ = deps_.clock.Mono() + kPurge;
  if (deps_.metrics == nullptr || config_.plugins.empty()) return;
  errors_ = &deps_.metrics->AddCounter("kubelet_credential_provider_plugin_errors_total",
                                       "Number of errors from credential provider plugin",
                                       {"plugin_name"});
  seconds_ = &deps_.metrics->AddHistogram(
      "kubelet_credential_provider_plugin_duration",
      "Duration of execution in seconds for credential provider plugin", base::DefaultBuckets(),
      {"plugin_name"});
  deps_.metrics
      ->AddGauge("kubelet_credential_provider_config_info",
                 "Information about the last applied credential provider configuration with hash "
                 "as label",
                 {"hash"})
      .With({config_.hash})
      .Set(1);
}

// Who still waits for an answer gets one.
CredentialPlugins::~CredentialPlugins() {
  for (const auto& [key, waiters] : flights_)
    for (const auto& waiter : waiters) waiter.Set(absl::CancelledError("the kubelet ends"));
}

Task<void> CredentialPlugins::Provide(api::PodPtr pod, std::string repository,
                                      std::shared_ptr<Keyring> ring) {
  for (const auto& plugin : config_.plugins) {
    bool asked =
        std::any_of(plugin.match_images.begin(), plugin.match_images.end(),
                    [&](const auto& glob) { return RegistryUrlMatches(glob, repository); });
    if (!asked) continue;
    auto told = co_await AskFor(&plugin, pod, repository, ring);
    if (told.ok()) continue;
    LOG_ERROR("Credential provider plugin gave no credentials; pulling without", "plugin",
              plugin.name, "image", repository, "pod", api::PodKey(*pod), "err", told);
  }
}

Task<absl::Status> CredentialPlugins::AskFor(const PluginSpec* plugin, api::PodPtr pod,
                                             std::string repository,
                                             std::shared_ptr<Keyring> ring) {
  auto identity = co_await Identify(plugin, pod);
  if (!identity.ok()) co_return identity.status();
  if (!*identity) co_return absl::OkStatus();
  auto accounts = co_await Ask(plugin, repository, &**identity);
  if (!accounts.ok()) co_return accounts.status();
  ring->Add((*identity)->source, *accounts);
  co_return absl::OkStatus();
}

// nullopt: the plugin is not meant for this pod.
Task<absl::StatusOr<std::optional<CredentialPlugins::Identity>>> CredentialPlugins::Identify(
    const PluginSpec* plugin, api::PodPtr pod) {
  std::optional<Identity> out(std::in_place);
  if (!plugin->token) co_return out;
  const PluginToken& wanted = *plugin->token;
  const std::string name = pod->spec().service_account_name();
  const std::string namespace_ = pod->metadata().namespace_();
  if (name.empty()) {
    if (wanted.require_service_account) out.reset();
    co_return out;
  }
  if (deps_.objects == nullptr)
    co_return absl::FailedPreconditionError(
        "service accounts need an API server: none is configured");
  auto account = co_await deps_.objects->ServiceAccount(namespace_, name);
  if (!account.ok()) co_return base::Annotate(account.status(), "service account " + name);
  for (const auto& key : wanted.required_annotations) {
    auto it = account->annotations.find(key);
    // A workload opts in by this annotation.
    if (it == account->annotations.end()) {
      out.reset();
      co_return out;
    }
    out->annotations.insert(*it);
  }
  for (const auto& key : wanted.optional_annotations) {
    if (auto it = account->annotations.find(key); it != account->annotations.end())
      out->annotations.insert(*it);
  }
  auto token = co_await deps_.objects->PullToken(pod, wanted.audience, account->uid);
  if (!token.ok()) co_return base::Annotate(token.status(), "token of service account " + name);
  out->token = *std::move(token);
  out->source.kind = CredentialSource::Kind::kServiceAccount;
  out->source.uid = account->uid;
  out->source.namespace_ = namespace_;
  out->source.name = name;
  std::vector<std::string> parts = {namespace_, name, account->uid};
  for (const auto& [key, value] : out->annotations) {
    parts.push_back(key);
    parts.push_back(value);
  }
  std::string fingerprint = base::Sha256Hex(out->token);
  std::vector<std::string> with_token = parts;
  with_token.push_back(fingerprint);
  out->flight_key = JoinKey(with_token);
  out->cache_key = wanted.cache_by_token ? out->flight_key : JoinKey(parts);
  co_return out;
}

Task<absl::StatusOr<DockerConfig>> CredentialPlugins::Ask(const PluginSpec* plugin,
                                                          std::string repository,
                                                          const Identity* identity) {
  if (const auto* kept = Find(plugin->name, repository, identity->cache_key)) co_return *kept;
  auto answer = co_await Shared(plugin, repository, identity);
  if (!answer.ok()) co_return answer.status();
  bool by_token = plugin->token && plugin->token->cache_by_token;
  if (!identity->token.empty() && !by_token) {
    // Cached for the whole account, it would outlive the pod that the token is bound to.
    for (const auto& [address, account] : (*answer)->accounts) {
      if (account.password == identity->token) {
        co_return absl::InvalidArgumentError(
            "it returned the service account token as password, which needs cacheType Token");
      }
    }
  }
  Keep(*plugin, repository, identity->cache_key, **answer);
  co_return (*answer)->accounts;
}

Task<CredentialPlugins::Result> CredentialPlugins::Shared(const PluginSpec* plugin,
                                                          std::string repository,
                                                          const Identity* identity) {
  std::string flight = JoinKey({plugin->name, repository, identity->flight_key});
  base::Promise<Result> promise(deps_.executor);
  auto& waiters = flights_[flight];
  waiters.push_back(promise);
  if (waiters.size() == 1) {
    os::ProcessRequest request;
    request.program = plugin->program;
    request.args = plugin->args;
    request.environment = plugin->environment;
    request.input =
        PluginRequest(plugin->api_version, repository, identity->token, identity->annotations);
    request.timeout = kTimeout;
    scope_.Spawn("credential plugin " + plugin->name, Execute(plugin, flight, std::move(request)));
  }
  auto answer = co_await promise.Get();
  co_return answer;
}

Task<void> CredentialPlugins::Execute(const PluginSpec* plugin, std::string flight,
                                      os::ProcessRequest request) {
  auto started = deps_.clock.Mono();
  auto result = co_await Call(plugin, std::move(request));
  co_await StopIfCancelled();
  if (seconds_ != nullptr) {
    seconds_->With({plugin->name})
        .Observe(std::chrono::duration<double>(deps_.clock.Mono() - started).count());
  }
  auto waiters = flights_.extract(flight);
  if (waiters.empty()) co_return;
  for (const auto& waiter : waiters.mapped()) waiter.Set(result);
}

Task<CredentialPlugins::Result> CredentialPlugins::Call(const PluginSpec* plugin,
                                                        os::ProcessRequest request) {
  auto ended = co_await deps_.run(std::move(request));
  co_await StopIfCancelled();
  absl::Status failed = ended.status();
  if (ended.ok() && ended->exit_code != 0) {
    failed = absl::UnavailableError("exit status " + std::to_string(ended->exit_code) + ": " +
                                    ended->err);
  }
  if (!failed.ok()) {
    if (errors_ != nullptr) errors_->With({plugin->name}).Add();
    co_return failed;
  }
  auto answer = ParsePluginAnswer(ended->out, plugin->api_version);
  if (!answer.ok()) co_return answer.status();
  co_return std::make_shared<const PluginAnswer>(*std::move(answer));
}

const DockerConfig* CredentialPlugins::Find(const std::string& plugin,
                                            const std::string& repository,
                                            const std::string& identity) {
  auto now = deps_.clock.Mono();
  if (now >= purge_at_) {
    std::erase_if(cache_, [&](const auto& entry) { return entry.second.until < now; });
    purge_at_ = now + kPurge;
  }
  for (const auto& base : {repository, RegistryOf(repository), std::string("<global>")}) {
    auto it = cache_.find(JoinKey({plugin, base, identity}));
    if (it != cache_.end() && now <= it->second.until) return &it->second.accounts;
  }
  return nullptr;
}

void CredentialPlugins::Keep(const PluginSpec& plugin, const std::string& repository,
                             const std::string& identity, const PluginAnswer& answer) {
  base::Nanos keep = answer.cache_for.value_or(plugin.cache_for);
  if (keep <= base::Nanos(0)) return;
  std::string base = repository;
  if (answer.key == PluginAnswer::Key::kRegistry) base = RegistryOf(repository);
  if (answer.key == PluginAnswer::Key::kGlobal) base = "<global>";
  cache_[JoinKey({plugin.name, base, identity})] = {answer.accounts, deps_.clock.Mono() + keep};
}

}  // namespace kubelet::image
