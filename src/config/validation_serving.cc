// TLS, addresses, logging, tracing, metrics.
#include <algorithm>
#include <set>

#include "config/text.h"
#include "config/validation.h"
#include "config/version.h"

namespace kubelet::config {
namespace {

// Names of Go's crypto/tls, the insecure ones and two old spellings included.
const std::set<std::string>& CipherSuites() {
  static const auto* suites = new std::set<std::string>{
      "TLS_AES_128_GCM_SHA256",
      "TLS_AES_256_GCM_SHA384",
      "TLS_CHACHA20_POLY1305_SHA256",
      "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
      "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
      "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
      "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
      "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
      "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
      "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
      "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
      "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
      "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
      "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
      "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
      "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
      "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
      "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
      "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
      "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
      "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
      "TLS_RSA_WITH_AES_128_CBC_SHA",
      "TLS_RSA_WITH_AES_128_CBC_SHA256",
      "TLS_RSA_WITH_AES_128_GCM_SHA256",
      "TLS_RSA_WITH_AES_256_CBC_SHA",
      "TLS_RSA_WITH_AES_256_GCM_SHA384",
      "TLS_RSA_WITH_RC4_128_SHA",
  };
  return *suites;
}

// P256, P384, P521, X25519, and the hybrids with ML-KEM (numbers of the TLS supported groups
// registry).
const std::set<int32_t>& Curves() {
  static const auto* curves = new std::set<int32_t>{23, 24, 25, 29, 4587, 4588, 4589};
  return *curves;
}

void CheckTls(const RuleContext& rules) {
  for (const std::string& suite : rules.config.tls_cipher_suites()) {
    if (!CipherSuites().count(suite))
      rules.Add("tlsCipherSuites", Quote(suite) + " is no known cipher suite");
  }
  std::set<int32_t> seen;
  for (int32_t curve : rules.config.tls_curve_preferences()) {
    std::string text = std::to_string(curve);
    if (!seen.insert(curve).second) rules.Add("tlsCurvePreferences", "has " + text + " twice");
    if (!Curves().count(curve)) rules.Add("tlsCurvePreferences", text + " is no known curve");
  }
}

void CheckLogging(const RuleContext& rules) {
  const auto& logging = rules.config.logging();
  if (logging.vmodule_size() > 0 && logging.format() != "" && logging.format() != "text") {
    rules.Add("logging.vmodule", "works with the text format only");
  }
  for (int i = 0; i < logging.vmodule_size(); ++i) {
    std::string path = "logging.vmodule[" + std::to_string(i) + "]";
    const std::string& pattern = logging.vmodule(i).file_pattern();
    if (pattern.empty()) rules.Add(path + ".filePattern", "must not be empty");
    if (pattern.find_first_of("=,") != std::string::npos) {
      rules.Add(path + ".filePattern",
                "is " + Quote(pattern) + ", must not hold an equal sign or a comma");
    }
    if (logging.vmodule(i).verbosity() > 2147483647u)
      rules.Add(path + ".verbosity", "must be at most 2147483647");
  }
}

void CheckTracing(const RuleContext& rules) {
  const auto& tracing = rules.config.tracing();
  size_t scheme_end = tracing.endpoint().find("://");
  if (!tracing.has_endpoint() || tracing.endpoint().find("//") == std::string::npos) return;
  std::string scheme =
      scheme_end == std::string::npos ? "" : tracing.endpoint().substr(0, scheme_end);
  if (scheme != "dns" && scheme != "unix" && scheme != "unix-abstract") {
    rules.Add("tracing.endpoint", "is " + Quote(tracing.endpoint()) +
                                      ", its scheme must be none, dns, unix or unix-abstract");
  }
}

}  // namespace

void CheckServing(const RuleContext& rules) {
  const auto& config = rules.config;
  CheckTls(rules);
  CheckLogging(rules);
  CheckTracing(rules);
  if (ParseIp(config.address()) == IpFamily::kNone) {
    rules.Add("address", "is " + Quote(config.address()) + ", must be an IP address");
  }
  if (config.enable_system_log_query() && !config.enable_system_log_handler()) {
    rules.Add("enableSystemLogQuery", "needs enableSystemLogHandler");
  }
  if (config.enable_system_log_query() && !rules.gates.Enabled("NodeLogQuery")) {
    rules.Add("enableSystemLogQuery", "needs the feature gate NodeLogQuery");
  }
  std::string previous = "1." + std::to_string(KubernetesMinor() - 1);
  const std::string& shown = config.show_hidden_metrics_for_version();
  if (!shown.empty() && shown != previous) {
    rules.Add("showHiddenMetricsForVersion",
              "is " + Quote(shown) + ", must be the previous minor version " + Quote(previous));
  }
}

}  // namespace kubelet::config
