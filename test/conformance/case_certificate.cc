// Certificates that a case makes, and who is believed: the step `authority` and its subjects.
#include <filesystem>
#include <fstream>

#include "conformance/case_run.h"
#include "fakes/certificates.h"
#include "kubelet/base/status.h"

namespace kubelet::conformance {
namespace {

namespace fs = std::filesystem;

// A kubelet that looks just now reads the old file or the new one.
absl::Status Replace(const std::string& path, const std::string& text) {
  std::ofstream(path + ".new") << text;
  std::error_code ec;
  fs::rename(path + ".new", path, ec);
  return ec ? base::ErrnoStatus(ec.value(), "write " + path) : absl::OkStatus();
}

class Shown : public client::Credentials {
 public:
  explicit Shown(fakes::KeyPair pair) {
    presented_.cert_pem = std::move(pair.certificate);
    presented_.key_pem = std::move(pair.key);
  }
  base::Task<absl::StatusOr<client::Presented>> Get() override { co_return presented_; }
  uint64_t generation() const override { return 0; }
  void Rejected(uint64_t) override {}

 private:
  client::Presented presented_;
};

}  // namespace

const fakes::CertificateAuthority& Inspector::Authority(const std::string& name) {
  auto& authority = authorities_[name];
  if (authority == nullptr) authority = std::make_shared<fakes::CertificateAuthority>(name);
  return *authority;
}

// `served-by NAME`, `client-code NAME PATH`
Inspector::Asked Inspector::Trust(std::string word, std::string name, std::string path) {
  if (world_.node == nullptr) co_return absl::UnimplementedError("needs the kubelet to be ours");
  std::string base = "https://127.0.0.1:" + std::to_string(world_.node->https_port());
  if (word == "served-by") {
    HttpClient client(world_.deps, base, nullptr, Authority(name).certificate());
    auto answer = co_await client.Get("/healthz");
    co_return Answer(answer.ok() ? "yes" : "no");
  }
  fakes::CertificateOptions wanted;
  wanted.common_name = "conformance";
  wanted.organizations = {"system:masters"};
  Shown shown(Authority(name).Issue(wanted));
  HttpClient client(world_.deps, base, &shown);
  auto answer = co_await client.Get(path);
  if (!answer.ok()) co_return answer.status();
  co_return Answer(std::to_string(answer->status));
}

// authority: {name, ca: FILE} | {name, server: FILE}
absl::Status CaseRun::WriteCertificates(const JsonObject& arguments) {
  const auto& authority = inspector_.Authority(Text(arguments, "name"));
  if (std::string file = Text(arguments, "ca"); !file.empty())
    return Replace(case_dir_ + "/" + file, authority.certificate());
  std::string file = case_dir_ + "/" + Text(arguments, "server");
  fakes::CertificateOptions wanted;
  wanted.common_name = "kubelet";
  wanted.names = "IP:127.0.0.1";
  auto pair = authority.Issue(wanted);
  absl::Status written = Replace(file + ".key", pair.key);
  return written.ok() ? Replace(file + ".crt", pair.certificate) : written;
}

}  // namespace kubelet::conformance
