// The keys and files of a cluster of tests, kept in a directory: a second server in it goes on with
// the same ones. Blocking file work.
#pragma once

#include <chrono>
#include <string>

#include "absl/status/statusor.h"
#include "fakes/certificates.h"

namespace kubelet::fakes {

struct ApiPki {
  CertificateAuthority ca;
  KeyPair server, admin, kubelet;
  std::string token_key;        // signs service account tokens
  std::string bootstrap_token;  // `id.secret`
};

struct ApiPkiOptions {
  std::string dir, node;
  std::chrono::seconds kubelet_life = std::chrono::hours(24);
};

// <dir>/pki: ca, server, admin and kubelet as .crt and .key. What is there is used.
absl::StatusOr<ApiPki> OpenPki(const ApiPkiOptions& options);
// <dir>/admin.conf, kubelet.conf (system:node:<node>) and bootstrap.conf for this URL. Tokens and
// certificates are named by absolute path, but for the bootstrap token.
absl::Status WriteKubeconfigs(const ApiPkiOptions& options, const ApiPki& pki,
                              const std::string& url);
// Names of the server's certificate.
std::string ServerNames();

absl::Status WriteTextFile(const std::string& path, const std::string& text, bool secret);

}  // namespace kubelet::fakes
