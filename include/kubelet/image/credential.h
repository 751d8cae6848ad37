// A credential for a registry and where it comes from: that decides which pods may use an image
// pulled with it. Values; thread safe.
#pragma once

#include <string>

#include "kubelet/runtime/model.h"

namespace kubelet::image {

struct CredentialSource {
  enum class Kind { kNode, kSecret, kServiceAccount };
  Kind kind = Kind::kNode;  // kNode: every pod of this node may use it
  std::string uid, namespace_, name;
  bool operator==(const CredentialSource&) const = default;
};

struct Credential {
  runtime::AuthConfig auth;  // never logged
  std::string hash;  // SHA-256 of the account as upstream computes it: the same on every kubelet
  CredentialSource source;
};

}  // namespace kubelet::image
