// Credentials for registries: where they are written (Docker's files, secrets, plugins) and which
// of them are tried for an image. Pure; thread safe. Facts:
// pkg/credentialprovider/{config,keyring}.go of 1.36.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/image/credential.h"

namespace kubelet::image {

// One account at a registry.
struct Account {
  std::string username, password, email;
  bool operator==(const Account&) const = default;
};
// Registry address, as written -> account.
using DockerConfig = std::map<std::string, Account>;

// `{"auths": {ADDRESS: {...}}}` (config.json, kubernetes.io/dockerconfigjson), and the older form
// that is the inner object alone (.dockercfg, kubernetes.io/dockercfg). `auth` is base64 of
// user:password and goes before the two; helpers, stores and identity tokens are not read, as
// upstream. InvalidArgument never quotes the text.
absl::StatusOr<DockerConfig> ParseDockerConfigJson(std::string_view text);
absl::StatusOr<DockerConfig> ParseDockercfg(std::string_view text);

class Keyring {
 public:
  // Entries that are no address are passed over.
  void Add(const CredentialSource& source, const DockerConfig& config);
  // Credentials for a repository (CredentialName of an image) in the order to try them: the most
  // specific address first. For the default registry also those of index.docker.io, when there are
  // no others.
  std::vector<Credential> Lookup(const std::string& repository) const;
  bool empty() const { return accounts_.empty(); }

 private:
  std::map<std::string, std::vector<Credential>, std::greater<>>
      accounts_;  // by address, longest of a kind first
};

}  // namespace kubelet::image
