#include "client/presented.h"

#include "kubelet/base/status.h"
#include "kubelet/client/kubeconfig.h"

namespace kubelet::client {
namespace {

absl::Status Missing(const std::string& what, const absl::Status& status) {
  return absl::UnavailableError(what + ": " + base::Message(status));
}

absl::Status ReadCertificate(const ClientConfig& config, PresentedNow& out) {
  const std::string what =
      "client certificate " + (config.cert_file.empty() ? "in " + config.source : config.cert_file);
  Presented& p = out.presented;
  p.cert_pem = config.cert_pem;
  p.key_pem = config.key_pem;
  if (!config.cert_file.empty()) {
    auto text = ReadSmallFile(config.cert_file);
    if (!text.ok()) return Missing("client certificate", text.status());
    p.cert_pem = *std::move(text);
  }
  if (!config.key_file.empty()) {
    auto text = ReadSmallFile(config.key_file);
    if (!text.ok()) return Missing("client key", text.status());
    p.key_pem = *std::move(text);
  }
  auto info = CheckPair(p.cert_pem, p.key_pem);
  if (!info.ok()) return Missing(what, info.status());
  out.certificate = *std::move(info);
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadToken(const std::string& path) {
  ASSIGN_OR_RETURN(std::string text, ReadSmallFile(path));
  const char* blanks = " \t\r\n";
  auto from = text.find_first_not_of(blanks);
  if (from == std::string::npos) return absl::FailedPreconditionError(path + " is empty");
  text = text.substr(from, text.find_last_not_of(blanks) - from + 1);
  if (text.find_first_of("\r\n") != std::string::npos)
    return absl::FailedPreconditionError(path + " has more than one line");
  return text;
}

}  // namespace

bool NeedsPlugin(const ClientConfig& config) {
  return config.exec && config.cert_pem.empty() && config.cert_file.empty() &&
         config.token.empty() && config.token_file.empty() && config.username.empty() &&
         config.password.empty();
}

absl::StatusOr<PresentedNow> ReadPresented(const ClientConfig& config) {
  PresentedNow out;
  if (!config.cert_pem.empty() || !config.cert_file.empty())
    RETURN_IF_ERROR(ReadCertificate(config, out));
  out.presented.bearer_token = config.token;
  if (!config.token_file.empty()) {
    auto token = ReadToken(config.token_file);
    if (token.ok()) out.presented.bearer_token = *std::move(token);
    if (!token.ok() && config.token.empty()) return Missing("token file", token.status());
  }
  if (!config.username.empty() || !config.password.empty())
    out.presented.basic = config.username + ":" + config.password;
  return out;
}

std::vector<std::string> FilesOf(const ClientConfig& config) {
  std::vector<std::string> out{config.source};
  for (const auto& file : {config.cert_file, config.key_file, config.token_file})
    if (!file.empty()) out.push_back(file);
  return out;
}

Look LookAt(const ClientConfig& config, const std::vector<FileStamp>& before, bool force) {
  Look look;
  look.stamps = StampsOf(FilesOf(config));
  look.changed = force || look.stamps != before;
  if (!look.changed) return look;
  look.config = config;
  bool kubeconfig_changed = force || before.empty() || look.stamps[0] != before[0];
  if (!config.source.empty() && kubeconfig_changed) {
    KubeconfigOptions options;
    options.context = config.context;
    options.check_files = false;
    auto read = LoadKubeconfig(config.source, options);
    look.kubeconfig = read.status();
    // Only the user: whoever dials keeps the cluster it was made with.
    if (read.ok()) {
      look.config = *std::move(read);
      FileStamp kubeconfig = look.stamps[0];
      look.stamps = StampsOf(FilesOf(look.config));
      look.stamps[0] = kubeconfig;
    }
  }
  look.now = ReadPresented(look.config);
  return look;
}

CertificateHealth JudgeCertificate(const CertificateInfo& info, const std::string& what,
                                   base::WallTime now) {
  CertificateHealth health;
  health.not_after = info.not_after;
  std::string range =
      "valid from " + base::Rfc3339(info.not_before) + " to " + base::Rfc3339(info.not_after);
  if (now > info.not_after) {
    health.state = CertificateHealth::State::kExpired;
    health.message = what + " has expired: " + range + ", the clock says " + base::Rfc3339(now);
  } else if (now < info.not_before) {
    health.state = CertificateHealth::State::kNotYetValid;
    health.message = what + " is not valid yet: " + range + ", the clock says " +
                     base::Rfc3339(now) + "; is the clock right?";
  } else {
    health.state = CertificateHealth::State::kOk;
    health.message = what + " is " + range;
  }
  return health;
}

}  // namespace kubelet::client
