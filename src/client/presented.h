// From a ClientConfig to what a connection presents: the blocking, stateless part of Credentials.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/files.h"
#include "client/x509.h"
#include "kubelet/client/credentials.h"

namespace kubelet::client {

struct PresentedNow {
  Presented presented;                         // generation 0
  std::optional<CertificateInfo> certificate;  // of presented.cert_pem
};

// Reads the files of `config` and checks that certificate and key belong together. An exec plugin
// is not run: its part is empty. Unavailable names the file and what is wrong.
absl::StatusOr<PresentedNow> ReadPresented(const ClientConfig& config);

// The files that what is presented depends on: the kubeconfig first.
std::vector<std::string> FilesOf(const ClientConfig& config);

// True when a plugin is the only source (upstream asks no plugin beside a certificate, a token or
// a password).
bool NeedsPlugin(const ClientConfig& config);

// One look at the files behind a config.
struct Look {
  bool changed = false;  // false: the rest is empty
  ClientConfig config;   // read anew when the kubeconfig changed
  std::vector<FileStamp> stamps;
  absl::StatusOr<PresentedNow> now = absl::UnknownError("not read");
  absl::Status kubeconfig;  // not OK: it is broken, `config` is the one before
};
Look LookAt(const ClientConfig& config, const std::vector<FileStamp>& before, bool force);

// What is to be said about a certificate by this machine's clock; `what` names it.
CertificateHealth JudgeCertificate(const CertificateInfo& info, const std::string& what,
                                   base::WallTime now);

}  // namespace kubelet::client
