#include "fakes/api_pki.h"

#include <openssl/rand.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "kubelet/base/status.h"

namespace kubelet::fakes {
namespace {

std::string ReadText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string RandomText(const char* letters, size_t count, int n) {
  std::string text;
  for (int i = 0; i < n; ++i) {
    unsigned char byte = 0;
    RAND_bytes(&byte, 1);
    text += letters[byte % count];
  }
  return text;
}

std::string RandomText(int n) { return RandomText("abcdefghijklmnopqrstuvwxyz0123456789", 36, n); }

// The pair of that name, made when it is not there.
template <typename Make>
absl::StatusOr<KeyPair> Pair(const std::string& stem, Make make) {
  KeyPair pair{ReadText(stem + ".crt"), ReadText(stem + ".key")};
  if (!pair.certificate.empty() && !pair.key.empty()) return pair;
  pair = make();
  RETURN_IF_ERROR(WriteTextFile(stem + ".crt", pair.certificate, false));
  RETURN_IF_ERROR(WriteTextFile(stem + ".key", pair.key, true));
  return pair;
}

absl::StatusOr<std::string> Secret(const std::string& path, const std::string& fresh) {
  std::string text = ReadText(path);
  if (!text.empty()) return text;
  RETURN_IF_ERROR(WriteTextFile(path, fresh, true));
  return fresh;
}

std::string Kubeconfig(const std::string& url, const std::string& ca, const std::string& user) {
  return "apiVersion: v1\nkind: Config\nclusters:\n- name: test\n  cluster:\n    server: " + url +
         "\n    certificate-authority: " + ca + "\nusers:\n- name: user\n  user: " + user +
         "\ncontexts:\n- name: test\n  context: {cluster: test, user: user}\ncurrent-context: "
         "test\n";
}

}  // namespace

std::string ServerNames() {
  return "IP:127.0.0.1,IP:::1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,"
         "DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local";
}

absl::Status WriteTextFile(const std::string& path, const std::string& text, bool secret) {
  std::string fresh = path + ".new";
  {
    std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
    if (secret) chmod(fresh.c_str(), 0600);
    out << text;
    if (!out.flush()) return absl::UnavailableError("cannot write " + path);
  }
  std::error_code error;
  std::filesystem::rename(fresh, path, error);
  return error ? absl::UnavailableError("cannot write " + path + ": " + error.message())
               : absl::OkStatus();
}

absl::StatusOr<ApiPki> OpenPki(const ApiPkiOptions& options) {
  std::string dir = options.dir + "/pki";
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) return absl::UnavailableError("cannot make " + dir + ": " + error.message());
  auto root = Pair(dir + "/ca", [] {
    CertificateAuthority fresh("kubernetes");
    return KeyPair{fresh.certificate(), fresh.key()};
  });
  RETURN_IF_ERROR(root.status());
  CertificateAuthority ca(*root);
  auto issue = [&](const char* name, const std::string& cn, const std::string& organization,
                   const std::string& names, std::chrono::seconds life) {
    return Pair(dir + "/" + name, [&] {
      CertificateOptions wanted;
      wanted.common_name = cn;
      if (!organization.empty()) wanted.organizations.push_back(organization);
      wanted.names = names;
      wanted.valid_until = life;
      return ca.Issue(wanted);
    });
  };
  const auto year = std::chrono::hours(24 * 365);
  auto server = issue("server", "kube-apiserver", "", ServerNames(), year);
  RETURN_IF_ERROR(server.status());
  auto admin = issue("admin", "kubernetes-admin", "system:masters", "", year);
  RETURN_IF_ERROR(admin.status());
  auto kubelet =
      issue("kubelet", "system:node:" + options.node, "system:nodes", "", options.kubelet_life);
  RETURN_IF_ERROR(kubelet.status());
  auto token_key = Secret(dir + "/sa.key", RandomText(32));
  RETURN_IF_ERROR(token_key.status());
  auto bootstrap = Secret(dir + "/bootstrap-token", RandomText(6) + "." + RandomText(16));
  RETURN_IF_ERROR(bootstrap.status());
  return ApiPki{std::move(ca), *server, *admin, *kubelet, *token_key, *bootstrap};
}

absl::Status WriteKubeconfigs(const ApiPkiOptions& options, const ApiPki& pki,
                              const std::string& url) {
  std::string dir = std::filesystem::absolute(options.dir).string();
  std::string ca = dir + "/pki/ca.crt";
  auto certificate = [&](const std::string& name) {
    return "{client-certificate: " + dir + "/pki/" + name + ".crt, client-key: " + dir + "/pki/" +
           name + ".key}";
  };
  RETURN_IF_ERROR(
      WriteTextFile(dir + "/admin.conf", Kubeconfig(url, ca, certificate("admin")), true));
  RETURN_IF_ERROR(
      WriteTextFile(dir + "/kubelet.conf", Kubeconfig(url, ca, certificate("kubelet")), true));
  return WriteTextFile(dir + "/bootstrap.conf",
                       Kubeconfig(url, ca, "{token: \"" + pki.bootstrap_token + "\"}"), true);
}

}  // namespace kubelet::fakes
