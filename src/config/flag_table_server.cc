// Flags of the servers, of the API client and of logging. Data only.
#include "config/flag_table.h"

namespace kubelet::config {

const std::vector<FlagSpec>& ServerFlags() {
  static const auto* flags = new std::vector<FlagSpec>{
      {"address", 0, FlagType::kIp, FlagGroup::kServer, FlagStatus::kUseConfigFile, "address", "", "server bind IP"},
      {"anonymous-auth", 0, FlagType::kBool, FlagGroup::kServer, FlagStatus::kUseConfigFile, "authentication.anonymous.enabled", "", "allow anonymous requests (configuration file: false)"},
      {"authentication-token-webhook", 0, FlagType::kBool, FlagGroup::kServer, FlagStatus::kUseConfigFile, "authentication.webhook.enabled", "", "bearer tokens by TokenReview (configuration file: true)"},
      {"authentication-token-webhook-cache-ttl", 0, FlagType::kDuration, FlagGroup::kServer, FlagStatus::kUseConfigFile, "authentication.webhook.cacheTTL", "", "token review cache"},
      {"authorization-mode", 0, FlagType::kString, FlagGroup::kServer, FlagStatus::kUseConfigFile, "authorization.mode", "", "AlwaysAllow or Webhook (configuration file: Webhook)"},
      {"authorization-webhook-cache-authorized-ttl", 0, FlagType::kDuration, FlagGroup::kServer, FlagStatus::kUseConfigFile, "authorization.webhook.cacheAuthorizedTTL", "", "allow cache"},
      {"authorization-webhook-cache-unauthorized-ttl", 0, FlagType::kDuration, FlagGroup::kServer, FlagStatus::kUseConfigFile, "authorization.webhook.cacheUnauthorizedTTL", "", "deny cache"},
      {"client-ca-file", 0, FlagType::kString, FlagGroup::kServer, FlagStatus::kUseConfigFile, "authentication.x509.clientCAFile", "", "CA bundle for client cert auth"},
      {"contention-profiling", 0, FlagType::kBool, FlagGroup::kServer, FlagStatus::kUseConfigFile, "enableContentionProfiling", "", "block profiling"},
      {"enable-debugging-handlers", 0, FlagType::kBool, FlagGroup::kServer, FlagStatus::kUseConfigFile, "enableDebuggingHandlers", "", "exec/logs/etc handlers"},
      {"enable-server", 0, FlagType::kBool, FlagGroup::kServer, FlagStatus::kUseConfigFile, "enableServer", "", "run the HTTPS server"},
      {"event-burst", 0, FlagType::kInt32, FlagGroup::kServer, FlagStatus::kUseConfigFile, "eventBurst", "", "event burst"},
      {"event-qps", 0, FlagType::kInt32, FlagGroup::kServer, FlagStatus::kUseConfigFile, "eventRecordQPS", "", "event QPS"},
      {"healthz-bind-address", 0, FlagType::kIp, FlagGroup::kServer, FlagStatus::kUseConfigFile, "healthzBindAddress", "", "healthz bind IP"},
      {"healthz-port", 0, FlagType::kInt32, FlagGroup::kServer, FlagStatus::kUseConfigFile, "healthzPort", "", "localhost healthz port, 0 off"},
      {"kube-api-burst", 0, FlagType::kInt32, FlagGroup::kServer, FlagStatus::kUseConfigFile, "kubeAPIBurst", "", "API burst"},
      {"kube-api-content-type", 0, FlagType::kString, FlagGroup::kServer, FlagStatus::kUseConfigFile, "contentType", "", "API encoding"},
      {"kube-api-qps", 0, FlagType::kInt32, FlagGroup::kServer, FlagStatus::kUseConfigFile, "kubeAPIQPS", "", "API QPS"},
      {"log-flush-frequency", 0, FlagType::kDuration, FlagGroup::kLogging, FlagStatus::kCurrent, "logging.flushFrequency", "", "log flush period"},
      {"log-json-info-buffer-size", 0, FlagType::kQuantity, FlagGroup::kLogging, FlagStatus::kUseConfigFile, "logging.options.json.infoBufferSize", "", "alpha: info buffer, in JSON"},
      {"log-json-split-stream", 0, FlagType::kBool, FlagGroup::kLogging, FlagStatus::kUseConfigFile, "logging.options.json.splitStream", "", "alpha: errors to stderr, info to stdout, in JSON"},
      {"log-text-info-buffer-size", 0, FlagType::kQuantity, FlagGroup::kLogging, FlagStatus::kUseConfigFile, "logging.options.text.infoBufferSize", "", "alpha: info buffer"},
      {"log-text-split-stream", 0, FlagType::kBool, FlagGroup::kLogging, FlagStatus::kUseConfigFile, "logging.options.text.splitStream", "", "alpha: errors to stderr, info to stdout"},
      {"logging-format", 0, FlagType::kString, FlagGroup::kLogging, FlagStatus::kUseConfigFile, "logging.format", "", "text or json"},
      {"port", 0, FlagType::kInt32, FlagGroup::kServer, FlagStatus::kUseConfigFile, "port", "", "server port"},
      {"read-only-port", 0, FlagType::kInt32, FlagGroup::kServer, FlagStatus::kUseConfigFile, "readOnlyPort", "", "unauthenticated port, 0 off (configuration file: 0)"},
      {"rotate-certificates", 0, FlagType::kBool, FlagGroup::kServer, FlagStatus::kUseConfigFile, "rotateCertificates", "", "rotate client cert"},
      {"rotate-server-certificates", 0, FlagType::kBool, FlagGroup::kServer, FlagStatus::kUseConfigFile, "serverTLSBootstrap", "", "request/rotate serving cert by CSR"},
      {"streaming-connection-idle-timeout", 0, FlagType::kDuration, FlagGroup::kServer, FlagStatus::kUseConfigFile, "streamingConnectionIdleTimeout", "", "streaming idle timeout"},
      {"tls-cert-file", 0, FlagType::kString, FlagGroup::kServer, FlagStatus::kUseConfigFile, "tlsCertFile", "", "serving cert"},
      {"tls-cipher-suites", 0, FlagType::kStrings, FlagGroup::kServer, FlagStatus::kUseConfigFile, "tlsCipherSuites", "", "allowed suites"},
      {"tls-min-version", 0, FlagType::kString, FlagGroup::kServer, FlagStatus::kUseConfigFile, "tlsMinVersion", "", "VersionTLS10..13"},
      {"tls-private-key-file", 0, FlagType::kString, FlagGroup::kServer, FlagStatus::kUseConfigFile, "tlsPrivateKeyFile", "", "serving key"},
      {"v", 'v', FlagType::kLevel, FlagGroup::kLogging, FlagStatus::kCurrent, "logging.verbosity", "", "log verbosity"},
      {"vmodule", 0, FlagType::kVModule, FlagGroup::kLogging, FlagStatus::kCurrent, "logging.vmodule", "", "per-file verbosity (text format)"},
  };
  return *flags;
}

}  // namespace kubelet::config
