#include <boost/json.hpp>

#include "absl/strings/escaping.h"
#include "client/files.h"
#include "kubelet/client/kubeconfig.h"

namespace kubelet::client {
namespace {

// JSON strings are YAML's double-quoted ones; what is plainly a path or URL stays readable.
std::string Scalar(const std::string& text) {
  constexpr char kPlain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/:._-+=";
  bool plain = (text.rfind("/", 0) == 0 || text.rfind("http", 0) == 0) && text.back() != ':' &&
               text.find_first_not_of(kPlain) == std::string::npos;
  return plain ? text : boost::json::serialize(boost::json::value(text.c_str()));
}

}  // namespace

absl::Status WriteKubeconfig(const std::string& path, const ClientConfig& bootstrap,
                             const std::string& pem_path) {
  std::string cluster;
  auto add = [&cluster](const char* key, const std::string& value) {
    cluster += std::string("    ") + key + ": " + value + "\n";
  };
  if (!bootstrap.ca_pem.empty()) {
    add("certificate-authority-data", absl::Base64Escape(bootstrap.ca_pem));
  } else if (!bootstrap.ca_file.empty()) {
    add("certificate-authority", Scalar(bootstrap.ca_file));
  }
  if (bootstrap.disable_compression) add("disable-compression", "true");
  if (bootstrap.insecure_skip_verify) add("insecure-skip-tls-verify", "true");
  if (!bootstrap.proxy_url.empty()) add("proxy-url", Scalar(bootstrap.proxy_url));
  add("server", Scalar(bootstrap.server));
  if (!bootstrap.tls_server_name.empty())
    add("tls-server-name",
        boost::json::serialize(boost::json::value(bootstrap.tls_server_name.c_str())));
  std::string text =
      "apiVersion: v1\nclusters:\n- cluster:\n" + cluster +
      "  name: default-cluster\ncontexts:\n- context:\n    cluster: default-cluster\n"
      "    namespace: default\n    user: default-auth\n  name: default-context\n"
      "current-context: default-context\nkind: Config\nusers:\n- name: default-auth\n  user:\n"
      "    client-certificate: " +
      Scalar(pem_path) + "\n    client-key: " + Scalar(pem_path) + "\n";
  return WriteAtomically(path, text, 0600);
}

}  // namespace kubelet::client
