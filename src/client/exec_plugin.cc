#include "client/exec_plugin.h"

#include <boost/json.hpp>

#include "absl/strings/escaping.h"
#include "client/files.h"
#include "client/json_fields.h"
#include "client/x509.h"
#include "kubelet/api/time.h"
#include "kubelet/base/process.h"
#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

namespace json = boost::json;

absl::Status Invalid(const std::string& what) { return absl::InvalidArgumentError(what); }

// Escape sequences of a hint must not reach a terminal.
std::string Printable(const std::string& text) {
  std::string out;
  for (char c : text) {
    bool control = static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t';
    out += control || c == 0x7f ? '?' : c;
  }
  return out;
}

std::string Trimmed(const std::string& text) {
  const char* blanks = " \t\r\n";
  auto from = text.find_first_not_of(blanks);
  return from == std::string::npos ? ""
                                   : text.substr(from, text.find_last_not_of(blanks) - from + 1);
}

}  // namespace

std::string ExecInfo(const ClientConfig& config, const std::string& ca_pem) {
  json::object spec;
  if (config.exec->provide_cluster_info) {
    json::object cluster{{"server", config.server}};
    if (!config.tls_server_name.empty()) cluster["tls-server-name"] = config.tls_server_name;
    if (config.insecure_skip_verify) cluster["insecure-skip-tls-verify"] = true;
    if (!ca_pem.empty()) cluster["certificate-authority-data"] = absl::Base64Escape(ca_pem);
    if (!config.proxy_url.empty()) cluster["proxy-url"] = config.proxy_url;
    if (config.disable_compression) cluster["disable-compression"] = true;
    auto extension = ParseJson(config.exec->cluster_config);
    if (extension.ok()) cluster["config"] = *std::move(extension);
    spec["cluster"] = std::move(cluster);
  }
  spec["interactive"] = false;
  json::object info{{"kind", "ExecCredential"}, {"apiVersion", config.exec->api_version}};
  info["spec"] = std::move(spec);
  return json::serialize(info);
}

absl::StatusOr<ExecAnswer> ParseExecAnswer(const std::string& text,
                                           const std::string& api_version) {
  ASSIGN_OR_RETURN(json::value value, ParseJson(text));
  JsonFields document(&value, "");
  std::string kind = document.String("kind"), version = document.String("apiVersion");
  JsonFields fields = document.Object("status");
  ExecAnswer answer;
  answer.token = fields.String("token");
  answer.cert_pem = fields.String("clientCertificateData");
  answer.key_pem = fields.String("clientKeyData");
  std::string expires = fields.String("expirationTimestamp");
  document.Merge(fields);
  RETURN_IF_ERROR(document.status());
  if (kind != "ExecCredential") return Invalid("kind: \"" + kind + "\" is not ExecCredential");
  if (version != api_version)
    return Invalid("apiVersion: \"" + version + "\" where " + api_version + " is configured");
  if (fields.object() == nullptr) return Invalid("status: there is none");
  if (answer.cert_pem.empty() != answer.key_pem.empty())
    return Invalid("status: only one of clientCertificateData and clientKeyData");
  if (answer.cert_pem.empty() && answer.token.empty())
    return Invalid("status: neither token nor clientCertificateData");
  if (answer.token.find_first_of("\r\n") != std::string::npos)
    return Invalid("status.token: has a line break");
  if (!answer.cert_pem.empty()) {
    auto pair = CheckPair(answer.cert_pem, answer.key_pem);
    if (!pair.ok()) return base::Annotate(pair.status(), "status.clientCertificateData");
  }
  if (!expires.empty()) {
    auto time = api::ParseRfc3339(expires);
    if (!time.ok()) return base::Annotate(time.status(), "status.expirationTimestamp");
    constexpr int64_t kMax = INT64_MAX / 1'000'000'000 - 1;
    int64_t seconds = std::clamp<int64_t>(time->seconds, -kMax, kMax);
    answer.expires = base::WallFromUnixNanos(seconds * 1'000'000'000);
  }
  return answer;
}

absl::StatusOr<ExecAnswer> RunExecPlugin(const ClientConfig& config, base::Nanos timeout) {
  const ExecConfig& exec = *config.exec;
  const std::string what = "exec plugin " + exec.command;
  std::string ca_pem = config.ca_pem;
  if (exec.provide_cluster_info && !config.ca_file.empty()) {
    auto text = ReadSmallFile(config.ca_file);
    if (!text.ok())
      return base::Annotate(absl::UnavailableError(base::Message(text.status())), what);
    ca_pem = *text;
  }
  std::vector<std::string> environment;
  for (const auto& [name, value] : exec.env) environment.push_back(name + "=" + value);
  environment.push_back("KUBERNETES_EXEC_INFO=" + ExecInfo(config, ca_pem));
  auto result = base::RunProcess(exec.command, exec.args, environment, timeout);
  if (!result.ok()) {
    std::string text = what + ": " + base::Message(result.status());
    if (absl::IsNotFound(result.status()) && !exec.install_hint.empty())
      text += "; " + Printable(exec.install_hint);
    return absl::UnavailableError(text);
  }
  std::string said = Trimmed(Printable(result->err));
  if (result->exit_code != 0)
    return absl::UnavailableError(what + ": exit code " + std::to_string(result->exit_code) +
                                  (said.empty() ? "" : ": " + said));
  auto answer = ParseExecAnswer(result->out, exec.api_version);
  if (!answer.ok())
    return absl::UnavailableError(what + ": " + base::Message(answer.status()) +
                                  (said.empty() ? "" : "; it said: " + said));
  return answer;
}

}  // namespace kubelet::client
