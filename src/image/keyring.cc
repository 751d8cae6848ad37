#include "image/keyring.h"

#include "image/registry_url.h"
#include "kubelet/api/codec.h"
#include "kubelet/base/hash.h"
#include "kubelet/image/files.pb.h"

namespace kubelet::image {
namespace {

constexpr char kDefaultRegistry[] = "index.docker.io";

int Base64Value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

// With or without padding, line breaks passed over; false for anything else.
bool DecodeAuth(const std::string& text, std::string& out) {
  size_t digits = 0, padding = 0;
  uint32_t bits = 0;
  for (char c : text) {
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    int value = Base64Value(c);
    if (value < 0 || padding > 0) return false;
    bits = bits << 6 | static_cast<uint32_t>(value);
    if (++digits % 4 != 1) out += static_cast<char>(bits >> (6 - 2 * ((digits - 1) % 4)) & 0xff);
  }
  if (digits % 4 == 1) return false;
  return padding == 0 || (digits + padding) % 4 == 0;
}

absl::StatusOr<Account> ToAccount(const std::string& address, const files::DockerEntry& entry) {
  Account out{entry.username(), entry.password(), entry.email()};
  if (entry.auth().empty()) return out;
  std::string plain;
  if (!DecodeAuth(entry.auth(), plain))
    return absl::InvalidArgumentError("auth of \"" + address + "\" is no base64");
  size_t colon = plain.find(':');
  if (colon == std::string::npos) {
    return absl::InvalidArgumentError("auth of \"" + address +
                                      "\" must be base64 of username:password");
  }
  out.username = plain.substr(0, colon);
  out.password = plain.substr(colon + 1);
  return out;
}

absl::StatusOr<DockerConfig> ToConfig(const files::DockerConfigJson& file) {
  DockerConfig out;
  for (const auto& [address, entry] : file.auths()) {
    auto account = ToAccount(address, entry);
    if (!account.ok()) return account.status();
    out[address] = *std::move(account);
  }
  return out;
}

std::string Hash(const Account& account) {
  files::HashedAuth hashed;
  if (!account.username.empty()) hashed.set_username(account.username);
  if (!account.password.empty()) hashed.set_password(account.password);
  if (!account.email.empty()) hashed.set_email(account.email);
  return base::Sha256Hex(api::EncodeJson(hashed));
}

bool IsDefaultRegistry(const std::string& repository) {
  size_t slash = repository.find('/');
  std::string first = repository.substr(0, slash);
  if (first.empty()) return false;
  if (slash == std::string::npos || first == "docker.io" || first == kDefaultRegistry) return true;
  return first.find_first_of(".:") == std::string::npos;
}

}  // namespace

absl::StatusOr<DockerConfig> ParseDockerConfigJson(std::string_view text) {
  files::DockerConfigJson file;
  if (!api::DecodeJson(text, file).ok())
    return absl::InvalidArgumentError("is not the JSON of a Docker configuration");
  return ToConfig(file);
}

absl::StatusOr<DockerConfig> ParseDockercfg(std::string_view text) {
  // What it would be inside the newer form. Two documents in a row must not become one of another
  // shape.
  files::DockerConfigJson file;
  std::string wrapped = "{\"auths\":" + std::string(text) + "}";
  if (!api::PeekTypeMeta(text).ok() || !api::DecodeJson(wrapped, file).ok())
    return absl::InvalidArgumentError("is not the JSON of a Docker configuration");
  return ToConfig(file);
}

void Keyring::Add(const CredentialSource& source, const DockerConfig& config) {
  for (const auto& [location, account] : config) {
    auto key = RegistryKey(location);
    if (!key) continue;
    Credential credential;
    credential.auth.username = account.username;
    credential.auth.password = account.password;
    credential.hash = Hash(account);
    credential.source = source;
    accounts_[*key].push_back(std::move(credential));
  }
}

std::vector<Credential> Keyring::Lookup(const std::string& repository) const {
  std::vector<Credential> out;
  for (const auto& [address, credentials] : accounts_) {
    if (!RegistryUrlMatches(address, repository)) continue;
    out.insert(out.end(), credentials.begin(), credentials.end());
  }
  if (!out.empty() || !IsDefaultRegistry(repository)) return out;
  auto it = accounts_.find(kDefaultRegistry);
  return it == accounts_.end() ? out : it->second;
}

}  // namespace kubelet::image
