#include "api/defaults_image.h"

#include <algorithm>
#include <string_view>

namespace kubelet::api {
namespace {

bool Digit(char c) { return c >= '0' && c <= '9'; }
bool Lower(char c) { return c >= 'a' && c <= 'z'; }
bool Upper(char c) { return c >= 'A' && c <= 'Z'; }
bool LowerDigit(char c) { return Lower(c) || Digit(c); }
bool Word(char c) { return LowerDigit(c) || Upper(c) || c == '_'; }
bool Hex(char c) { return Digit(c) || (c >= 'a' && c <= 'f'); }

template <typename Predicate>
bool All(std::string_view text, Predicate predicate) {
  return !text.empty() && std::all_of(text.begin(), text.end(), predicate);
}

// [a-z0-9]+ joined by `.`, `_`, `__` or dashes.
bool IsPathComponent(std::string_view part) {
  if (part.empty() || !LowerDigit(part.front()) || !LowerDigit(part.back())) return false;
  for (size_t i = 0; i < part.size();) {
    size_t end = i;
    while (end < part.size() && !LowerDigit(part[end])) ++end;
    std::string_view separator = part.substr(i, end - i);
    if (separator.size() > 1 && separator != "__" &&
        !All(separator, [](char c) { return c == '-'; })) {
      return false;
    }
    if (!separator.empty() && separator.find_first_not_of("._-") != separator.npos) return false;
    i = end + 1;
  }
  return true;
}

// Docker's rule for telling `host/repo` from `user/repo`.
bool LooksLikeHost(std::string_view part) {
  return part == "localhost" || part.find_first_of(".:") != part.npos ||
         std::any_of(part.begin(), part.end(), Upper);
}

bool IsHost(std::string_view part) {
  size_t bracket = part.front() == '[' ? part.find(']') : 0;
  if (bracket == part.npos) return false;
  size_t colon = part.find(':', bracket);
  if (colon != part.npos && !All(part.substr(colon + 1), Digit)) return false;
  std::string_view host = part.substr(0, colon);
  if (bracket > 0) return bracket + 1 == host.size();
  while (!host.empty()) {
    size_t dot = std::min(host.find('.'), host.size());
    std::string_view label = host.substr(0, dot);
    bool ok = All(label, [](char c) { return (Word(c) && c != '_') || c == '-'; });
    if (!ok || label.front() == '-' || label.back() == '-') return false;
    if (dot + 1 == host.size()) return false;
    host.remove_prefix(std::min(dot + 1, host.size()));
  }
  return colon != 0;
}

bool IsRepository(std::string_view name) {
  // Sixty-four hex digits are an image id, not a name.
  if (name.empty() || name.size() > 255 || (name.size() == 64 && All(name, Hex))) return false;
  size_t slash = name.find('/');
  if (slash != name.npos && slash > 0 && LooksLikeHost(name.substr(0, slash))) {
    if (!IsHost(name.substr(0, slash))) return false;
    name.remove_prefix(slash + 1);
  }
  for (size_t end = 0; end != name.npos; name.remove_prefix(std::min(end, name.size() - 1) + 1)) {
    end = name.find('/');
    if (!IsPathComponent(name.substr(0, end))) return false;
    if (end == name.npos) break;
  }
  return true;
}

bool IsTag(std::string_view tag) {
  return All(tag, [](char c) { return Word(c) || c == '.' || c == '-'; }) && tag.size() <= 128 &&
         Word(tag.front());
}

bool IsDigest(std::string_view digest) {
  size_t colon = digest.find(':');
  if (colon == digest.npos) return false;
  std::string_view algorithm = digest.substr(0, colon), hex = digest.substr(colon + 1);
  size_t length = algorithm == "sha256" ? 64 : algorithm == "sha384" ? 96 : 128;
  return (algorithm == "sha256" || algorithm == "sha384" || algorithm == "sha512") &&
         hex.size() == length && All(hex, Hex);
}

}  // namespace

const char* PullPolicyByTag(const std::string& image) {
  std::string_view name = image, tag, digest;
  bool has_digest = false, has_tag = false;
  if (size_t at = name.find('@'); at != name.npos) {
    digest = name.substr(at + 1);
    name = name.substr(0, at);
    has_digest = true;
  }
  size_t slash = name.rfind('/');
  if (size_t colon = name.rfind(':'); colon != name.npos && (slash == name.npos || colon > slash)) {
    tag = name.substr(colon + 1);
    name = name.substr(0, colon);
    has_tag = true;
  }
  bool valid = IsRepository(name) && (!has_tag || IsTag(tag)) && (!has_digest || IsDigest(digest));
  bool latest = has_tag ? tag == "latest" : !has_digest;
  return valid && latest ? "Always" : "IfNotPresent";
}

}  // namespace kubelet::api
