// Who a request comes from: client certificates, bootstrap tokens and service account tokens.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "fakes/api_store.h"
#include "fakes/api_strategy.h"
#include "fakes/http2_server.h"

namespace kubelet::fakes {

class ApiTokens {
 public:
  // `key` signs service account tokens (HS256).
  ApiTokens(ApiStore& store, std::string key) : store_(store), key_(std::move(key)) {}

  // A token that means this user: a bootstrap token `id.secret`, or any text.
  void Add(const std::string& token, ApiUser user) { known_[token] = std::move(user); }
  void Remove(const std::string& token) { known_.erase(token); }

  // All tokens of service accounts live so long, whatever is asked for; 0: as asked for.
  void UseLife(std::chrono::seconds life) { life_ = life; }

  // Unknown or expired: nullopt.
  std::optional<ApiUser> Find(const std::string& token, std::vector<std::string>* audiences) const;
  // By certificate, else by token. 401 for a token that is not good; without any credentials the
  // user is system:anonymous.
  absl::StatusOr<ApiUser> Authenticate(const HttpRequest& request) const;

  // The TokenRequest of a service account: checks it, fills its status. 404, 409, 422 as upstream.
  absl::Status Issue(const ApiUser& user, const std::string& ns, const std::string& account,
                     Object& token_request);

 private:
  std::string Sign(const std::string& claims) const;
  absl::StatusOr<std::string> Claims(const ApiUser& user, const Object& account,
                                     const Object& token_request,
                                     const std::vector<std::string>& audiences, int64_t expires);

  ApiStore& store_;
  std::string key_;
  std::chrono::seconds life_{0};
  std::map<std::string, ApiUser> known_;
};

std::string Base64(const std::string& bytes, bool url);
std::string FromBase64(std::string text);  // of the URL kind, unpadded; empty when it is none

}  // namespace kubelet::fakes
