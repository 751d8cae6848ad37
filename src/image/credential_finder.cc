#include "image/credential_finder.h"

#include "image/cancelled.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/image/reference.h"
#include "kubelet/os/file.h"

namespace kubelet::image {

using base::Task;

namespace {

constexpr size_t kMaxFile = 10 << 20;
constexpr auto kFileLimit = std::chrono::seconds(10);

using Parser = absl::StatusOr<DockerConfig> (*)(std::string_view);

absl::StatusOr<DockerConfig> ReadOne(const std::string& path, Parser parse) {
  ASSIGN_OR_RETURN(auto file, os::ReadRegularFile(path, kMaxFile));
  return parse(file.text);
}

std::optional<DockerConfig> FirstOf(const std::vector<std::string>& paths, Parser parse) {
  for (const auto& path : paths) {
    auto config = ReadOne(path, parse);
    if (config.ok()) return *std::move(config);
    if (absl::IsNotFound(config.status())) continue;
    LOG_WARNING("Cannot use a file with registry credentials; looking further", "file", path, "err",
                config.status());
  }
  return std::nullopt;
}

}  // namespace

DockerConfig ReadNodeCredentials(const std::vector<std::string>& config_json,
                                 const std::vector<std::string>& dockercfg) {
  if (auto found = FirstOf(config_json, ParseDockerConfigJson)) return *std::move(found);
  return FirstOf(dockercfg, ParseDockercfg).value_or(DockerConfig());
}

absl::StatusOr<DockerConfig> SecretCredentials(const api::core::Secret& secret) {
  struct Kind {
    const char* type;
    const char* key;
    Parser parse;
  };
  constexpr Kind kKinds[] = {
      {"kubernetes.io/dockerconfigjson", ".dockerconfigjson", ParseDockerConfigJson},
      {"kubernetes.io/dockercfg", ".dockercfg", ParseDockercfg}};
  for (const auto& kind : kKinds) {
    if (secret.type() != kind.type) continue;
    auto it = secret.data().find(kind.key);
    if (it == secret.data().end() || it->second.empty())
      return absl::FailedPreconditionError(std::string("it has no ") + kind.key);
    return kind.parse(it->second);
  }
  return absl::FailedPreconditionError("its type \"" + secret.type() +
                                       "\" holds no registry credentials");
}

namespace {

absl::StatusOr<DockerConfig> CredentialsIn(
    const absl::StatusOr<std::shared_ptr<const api::core::Secret>>& secret) {
  if (!secret.ok()) return secret.status();
  return SecretCredentials(**secret);
}

}  // namespace

Task<void> CredentialFinder::AddSecrets(api::PodPtr pod, std::shared_ptr<Keyring> ring) {
  std::string missing;
  for (const auto& reference : pod->spec().image_pull_secrets()) {
    const std::string name = reference.name();
    if (name.empty()) continue;
    absl::StatusOr<std::shared_ptr<const api::core::Secret>> secret =
        absl::FailedPreconditionError("secrets need an API server: none is configured");
    if (deps_.objects != nullptr)
      secret = co_await deps_.objects->Secret(pod->metadata().namespace_(), name);
    auto config = CredentialsIn(secret);
    if (config.ok()) {
      CredentialSource source{CredentialSource::Kind::kSecret, (*secret)->metadata().uid(),
                              pod->metadata().namespace_(), name};
      ring->Add(source, *config);
      continue;
    }
    LOG_WARNING("Pull secret cannot be used; the pull may not succeed", "pod", api::PodKey(*pod),
                "secret", name, "err", config.status());
    // A secret of another kind is nothing wrong, as upstream.
    if (secret.ok() && absl::IsFailedPrecondition(config.status())) continue;
    missing += (missing.empty() ? "" : ", ") + name;
  }
  if (missing.empty() || !deps_.on_event) co_return;
  runtime::PodEvent event;
  event.warning = true;
  event.reason = "FailedToRetrieveImagePullSecret";
  event.message = "Unable to retrieve some image pull secrets (" + missing +
                  "); attempting to pull the image may not succeed.";
  deps_.on_event(*pod, event);
}

Task<void> CredentialFinder::AddFiles(std::shared_ptr<Keyring> ring) {
  if (deps_.pool == nullptr || (config_json_.empty() && dockercfg_.empty())) co_return;
  std::function<absl::StatusOr<DockerConfig>()> read =
      [a = config_json_, b = dockercfg_]() -> absl::StatusOr<DockerConfig> {
    return ReadNodeCredentials(a, b);
  };
  auto files =
      co_await deps_.pool->Run<DockerConfig>("registry credentials", kFileLimit, std::move(read));
  CredentialSource node;
  if (files.ok()) {
    ring->Add(node, *files);
  } else {
    LOG_WARNING("Cannot read the node's registry credentials; pulling without", "err",
                files.status());
  }
}

Task<std::vector<Credential>> CredentialFinder::Find(api::PodPtr pod, std::string image) {
  const std::string repository = CredentialName(image);
  auto secrets = std::make_shared<Keyring>();
  co_await AddSecrets(pod, secrets);
  co_await StopIfCancelled();
  auto node = std::make_shared<Keyring>();
  co_await AddFiles(node);
  co_await StopIfCancelled();
  auto plugins = std::make_shared<Keyring>();
  if (deps_.plugins != nullptr) co_await deps_.plugins->Provide(pod, repository, plugins);
  std::vector<Credential> out = secrets->Lookup(repository);
  for (const auto& ring : {node, plugins}) {
    auto more = ring->Lookup(repository);
    out.insert(out.end(), more.begin(), more.end());
  }
  co_return out;
}

}  // namespace kubelet::image
