#include "client/certificate_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>

#include "client/files.h"
#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

namespace fs = std::filesystem;

bool Exists(const std::string& path) { return !path.empty() && ::access(path.c_str(), F_OK) == 0; }

bool IsLink(const std::string& path) {
  std::error_code ignored;
  return fs::is_symlink(path, ignored);
}

std::string DateText(base::WallTime now) {
  std::time_t seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[64];
  std::strftime(text, sizeof text, "%Y-%m-%d-%H-%M-%S", &parts);
  return text;
}

absl::StatusOr<StoredPair> ReadPair(const std::string& cert_file, const std::string& key_file) {
  StoredPair pair;
  pair.path = cert_file;
  ASSIGN_OR_RETURN(std::string cert, ReadSmallFile(cert_file));
  std::string key = cert;
  if (key_file != cert_file) {
    ASSIGN_OR_RETURN(key, ReadSmallFile(key_file));
  }
  auto info = CheckPair(cert, key);
  if (!info.ok()) return base::Annotate(info.status(), cert_file);
  pair.info = *std::move(info);
  // Certificate and key of a file that holds both are handed out apart.
  ASSIGN_OR_RETURN(auto certificates, ParseCertificates(cert));
  ASSIGN_OR_RETURN(pair.pem.cert_pem, CertificatesPem(certificates));
  ASSIGN_OR_RETURN(KeyPtr parsed, ParseKey(key));
  ASSIGN_OR_RETURN(pair.pem.key_pem, KeyPem(parsed.get()));
  return pair;
}

}  // namespace

CertificateStore::CertificateStore(std::string prefix, std::string dir, std::string cert_file,
                                   std::string key_file)
    : prefix_(std::move(prefix)),
      dir_(std::move(dir)),
      cert_file_(std::move(cert_file)),
      key_file_(std::move(key_file)) {}

std::vector<std::string> CertificateStore::Files() const {
  std::vector<std::string> out{CurrentPath()};
  for (const auto& file : {cert_file_, key_file_})
    if (!file.empty()) out.push_back(file);
  return out;
}

// A rotation that was interrupted after its link was made is brought to its end.
absl::Status CertificateStore::Recover() const {
  std::string current = CurrentPath(), updated = Path("updated");
  if (Exists(current) || !IsLink(updated)) return absl::OkStatus();
  if (::rename(updated.c_str(), current.c_str()) != 0)
    return base::ErrnoStatus(errno, "rename " + updated);
  return SyncDirectory(dir_);
}

// Dated pairs, newest first by their names.
std::vector<std::string> CertificateStore::Dated() const {
  std::vector<std::string> out;
  std::error_code failed;
  const std::string start = prefix_ + "-2";
  for (fs::directory_iterator it(dir_, failed), end; !failed && it != end; it.increment(failed)) {
    std::string name = it->path().filename().string();
    if (name.rfind(start, 0) == 0 && it->path().extension() == ".pem")
      out.push_back(it->path().string());
  }
  std::sort(out.rbegin(), out.rend());
  return out;
}

absl::StatusOr<StoredPair> CertificateStore::Load() const {
  absl::Status recovered = Recover();
  std::string problem = recovered.ok() ? "" : base::Message(recovered);
  bool any = false;
  auto attempt = [&](const std::string& cert, const std::string& key) -> std::optional<StoredPair> {
    any = true;
    auto pair = ReadPair(cert, key);
    if (pair.ok()) {
      pair->warning = problem;
      return *std::move(pair);
    }
    if (!problem.empty()) problem += "; ";
    problem += base::Message(pair.status());
    return std::nullopt;
  };
  std::string current = CurrentPath();
  if (Exists(current) || IsLink(current))
    if (auto pair = attempt(current, current)) return *std::move(pair);
  if (Exists(cert_file_) && Exists(key_file_))
    if (auto pair = attempt(cert_file_, key_file_)) return *std::move(pair);
  std::string crt = dir_ + "/" + prefix_ + ".crt", key = dir_ + "/" + prefix_ + ".key";
  if (Exists(crt) && Exists(key))
    if (auto pair = attempt(crt, key)) return *std::move(pair);
  for (const auto& file : Dated())
    if (auto pair = attempt(file, file)) return *std::move(pair);
  if (any) return absl::FailedPreconditionError(problem);
  return absl::NotFoundError("no certificate in " + current);
}

absl::Status CertificateStore::Link(const std::string& file, base::WallTime now) const {
  std::string current = CurrentPath(), updated = Path("updated");
  // Not ours: somebody copied a file into our link's place. It stays, beside.
  if (Exists(current) && !IsLink(current)) {
    std::string aside = Path("replaced-" + DateText(now));
    if (::link(current.c_str(), aside.c_str()) != 0 && errno != EEXIST)
      return base::ErrnoStatus(errno, "keep " + current + " as " + aside);
  }
  if (::unlink(updated.c_str()) != 0 && errno != ENOENT)
    return base::ErrnoStatus(errno, "remove " + updated);
  std::error_code failed;
  std::string target = fs::absolute(file, failed).string();
  if (::symlink(target.c_str(), updated.c_str()) != 0)
    return base::ErrnoStatus(errno, "link " + updated);
  if (::rename(updated.c_str(), current.c_str()) != 0)
    return base::ErrnoStatus(errno, "rename " + updated + " to " + current);
  return SyncDirectory(dir_);
}

absl::StatusOr<StoredPair> CertificateStore::Update(const PemPair& pair, base::WallTime now) const {
  RETURN_IF_ERROR(CheckPair(pair.cert_pem, pair.key_pem).status());
  ASSIGN_OR_RETURN(auto certificates, ParseCertificates(pair.cert_pem));
  ASSIGN_OR_RETURN(std::string text, CertificatesPem(certificates));
  ASSIGN_OR_RETURN(KeyPtr key, ParseKey(pair.key_pem));
  ASSIGN_OR_RETURN(std::string key_text, KeyPem(key.get()));
  std::string file = Path(DateText(now));
  RETURN_IF_ERROR(WriteAtomically(file, text + key_text, 0600));
  ASSIGN_OR_RETURN(StoredPair stored, ReadPair(file, file));
  RETURN_IF_ERROR(Link(file, now));
  stored.path = CurrentPath();
  return stored;
}

}  // namespace kubelet::client
