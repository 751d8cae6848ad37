// Credential provider plugins (credentialprovider.kubelet.k8s.io): asked for an image, their
// answers kept as long as they say. Core loop only. Facts: pkg/credentialprovider/plugin/plugin.go
// of 1.36.
//
// A plugin that fails, hangs (killed after a minute) or says nonsense costs its own answer: it is
// told in the log and counted, and the pull goes on with what there is. Questions that are alike
// run the program once.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "image/keyring.h"
#include "kubelet/base/metrics.h"
#include "kubelet/image/objects.h"
#include "kubelet/image/plugin_config.h"
#include "kubelet/os/process.h"

namespace kubelet::image {

// Standard input of a plugin. Pure.
std::string PluginRequest(const std::string& api_version, const std::string& repository,
                          const std::string& token,
                          const std::map<std::string, std::string>& annotations);

struct PluginAnswer {
  enum class Key { kImage, kRegistry, kGlobal };
  Key key = Key::kImage;
  std::optional<base::Nanos> cache_for;  // 0: not at all
  DockerConfig accounts;
};
// Standard output of a plugin, strict. InvalidArgument never quotes the text, which may hold a
// password. Pure.
absl::StatusOr<PluginAnswer> ParsePluginAnswer(const std::string& text,
                                               const std::string& api_version);

class CredentialPlugins {
 public:
  using Run = std::function<base::Task<absl::StatusOr<os::ProcessResult>>(os::ProcessRequest)>;
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    Run run;
    Objects* objects = nullptr;  // null: no API server is configured
    base::Registry* metrics = nullptr;
  };
  CredentialPlugins(Deps deps, PluginConfig config);
  ~CredentialPlugins();

  // Asks every plugin that is there for this repository and adds what they know. Takes as long as
  // they do.
  base::Task<void> Provide(api::PodPtr pod, std::string repository, std::shared_ptr<Keyring> ring);

  static constexpr auto kTimeout = std::chrono::minutes(1);
  static constexpr auto kPurge = std::chrono::minutes(15);

 private:
  // What a question goes by beside the repository.
  struct Identity {
    CredentialSource source;
    std::string token;
    std::map<std::string, std::string> annotations;
    std::string cache_key;   // empty without a service account
    std::string flight_key;  // the same with the token itself
  };
  struct Kept {
    DockerConfig accounts;
    base::MonoTime until;
  };
  using Result = absl::StatusOr<std::shared_ptr<const PluginAnswer>>;
  base::Task<absl::Status> AskFor(const PluginSpec* plugin, api::PodPtr pod, std::string repository,
                                  std::shared_ptr<Keyring> ring);
  base::Task<absl::StatusOr<std::optional<Identity>>> Identify(const PluginSpec* plugin,
                                                               api::PodPtr pod);
  base::Task<absl::StatusOr<DockerConfig>> Ask(const PluginSpec* plugin, std::string repository,
                                               const Identity* identity);
  base::Task<Result> Shared(const PluginSpec* plugin, std::string repository,
                            const Identity* identity);
  base::Task<void> Execute(const PluginSpec* plugin, std::string flight,
                           os::ProcessRequest request);
  base::Task<Result> Call(const PluginSpec* plugin, os::ProcessRequest request);
  const DockerConfig* Find(const std::string& plugin, const std::string& repository,
                           const std::string& identity);
  void Keep(const PluginSpec& plugin, const std::string& repository, const std::string& identity,
            const PluginAnswer& answer);

  Deps deps_;
  PluginConfig config_;
  std::map<std::string, Kept> cache_;
  base::MonoTime purge_at_{};
  std::map<std::string, std::vector<base::Promise<Result>>> flights_;
  base::Family<base::Counter>* errors_ = nullptr;
  base::Family<base::Histogram>* seconds_ = nullptr;
  base::TaskScope scope_;
};

}  // namespace kubelet::image
