// Of pull records: which credentials they name, and for which images they count. Pure.
#include <algorithm>

#include "image/pull_records.h"
#include "kubelet/image/reference.h"

namespace kubelet::image {
namespace {

template <typename Item>
auto Coordinates(const Item& item) {
  return std::tie(item.namespace_(), item.name(), item.uid());
}

}  // namespace

files::ImagePullCredentials ToPullCredentials(const Credential* credential) {
  files::ImagePullCredentials out;
  if (credential == nullptr || credential->source.kind == CredentialSource::Kind::kNode) {
    out.set_node_pods_accessible(true);
    return out;
  }
  const auto& source = credential->source;
  auto fill = [&](auto* item) {
    item->set_uid(source.uid);
    item->set_namespace_(source.namespace_);
    item->set_name(source.name);
  };
  if (source.kind == CredentialSource::Kind::kSecret) {
    auto* secret = out.add_kubernetes_secrets();
    fill(secret);
    secret->set_credential_hash(credential->hash);
  } else {
    fill(out.add_kubernetes_service_accounts());
  }
  return out;
}

bool MergeCredentials(const files::ImagePullCredentials& more, files::ImagePullCredentials& known) {
  if (known.node_pods_accessible()) return false;
  if (more.node_pods_accessible()) {
    known.Clear();
    known.set_node_pods_accessible(true);
    return true;
  }
  bool changed = false;
  auto* secrets = known.mutable_kubernetes_secrets();
  for (const auto& secret : more.kubernetes_secrets()) {
    auto same = std::find_if(secrets->begin(), secrets->end(), [&](const auto& item) {
      return Coordinates(item) == Coordinates(secret);
    });
    if (same != secrets->end() && same->credential_hash() == secret.credential_hash()) continue;
    if (same != secrets->end()) {
      same->set_credential_hash(secret.credential_hash());
    } else {
      *secrets->Add() = secret;
    }
    changed = true;
  }
  auto* accounts = known.mutable_kubernetes_service_accounts();
  for (const auto& account : more.kubernetes_service_accounts()) {
    bool there = std::any_of(accounts->begin(), accounts->end(), [&](const auto& item) {
      return Coordinates(item) == Coordinates(account);
    });
    if (there) continue;
    *accounts->Add() = account;
    changed = true;
  }
  auto less = [](const auto& a, const auto& b) { return Coordinates(a) < Coordinates(b); };
  std::sort(secrets->begin(), secrets->end(), less);
  std::sort(accounts->begin(), accounts->end(), less);
  return changed;
}

bool MustVerify(const VerifyOptions& options, const std::string& image, bool pulled_by_kubelet) {
  switch (options.policy) {
    case VerifyPolicy::kNever:
      return false;
    case VerifyPolicy::kAlways:
      return true;
    case VerifyPolicy::kNeverPreloaded:
      return pulled_by_kubelet;
    case VerifyPolicy::kNeverAllowlisted:
      break;
  }
  const std::string name = WithoutTag(image);
  return std::none_of(options.allowlist.begin(), options.allowlist.end(), [&](const auto& pattern) {
    bool wildcard = pattern.size() > 2 && pattern.compare(pattern.size() - 2, 2, "/*") == 0;
    return wildcard ? name.compare(0, pattern.size() - 1, pattern, 0, pattern.size() - 1) == 0
                    : name == pattern;
  });
}

}  // namespace kubelet::image
