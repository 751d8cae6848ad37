#include "kubelet/image/reference.h"

#include <algorithm>
#include <cctype>

namespace kubelet::image {
namespace {

bool LowerAlnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool Alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

// [a-z0-9]+ joined by one of `.`, `_`, `__`, or any run of `-`.
bool PathComponent(const std::string& part) {
  if (part.empty() || !LowerAlnum(part.front()) || !LowerAlnum(part.back())) return false;
  for (size_t i = 0; i < part.size();) {
    if (LowerAlnum(part[i])) {
      ++i;
      continue;
    }
    size_t j = i;
    while (j < part.size() && !LowerAlnum(part[j])) ++j;
    std::string separator = part.substr(i, j - i);
    bool dashes = separator.find_first_not_of('-') == std::string::npos;
    if (separator != "." && separator != "_" && separator != "__" && !dashes) return false;
    i = j;
  }
  return true;
}

// The first part names a registry when it has a dot, a colon, an upper case letter or is localhost.
bool IsRegistry(const std::string& part) {
  return part == "localhost" || part.find_first_of(".:[") != std::string::npos ||
         std::any_of(part.begin(), part.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool RegistryName(const std::string& part) {
  if (!part.empty() && part.front() == '[') return part.find(']') != std::string::npos;
  size_t colon = part.find(':');
  std::string host = part.substr(0, colon);
  if (host.empty() || !Alnum(host.front()) || !Alnum(host.back())) return false;
  bool ok = std::all_of(host.begin(), host.end(),
                        [](char c) { return Alnum(c) || c == '.' || c == '-'; });
  if (!ok || host.find("..") != std::string::npos) return false;
  if (colon == std::string::npos) return true;
  std::string port = part.substr(colon + 1);
  return !port.empty() &&
         std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool Tag(const std::string& tag) {
  if (tag.empty() || tag.size() > 128 || !(Alnum(tag.front()) || tag.front() == '_')) return false;
  return std::all_of(tag.begin(), tag.end(),
                     [](char c) { return Alnum(c) || c == '_' || c == '.' || c == '-'; });
}

bool LowerHex(const std::string& text) {
  return text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

bool Digest(const std::string& digest) {
  size_t colon = digest.find(':');
  if (colon == std::string::npos) return false;
  std::string algorithm = digest.substr(0, colon), hex = digest.substr(colon + 1);
  size_t length = algorithm == "sha256"   ? 64
                  : algorithm == "sha384" ? 96
                  : algorithm == "sha512" ? 128
                                          : 0;
  return length > 0 && hex.size() == length && LowerHex(hex);
}

struct Parts {
  std::string name, tag, digest;
};

Parts Split(const std::string& image) {
  Parts parts;
  size_t at = image.find('@');
  if (at != std::string::npos) parts.digest = image.substr(at + 1);
  parts.name = image.substr(0, at);
  size_t slash = parts.name.rfind('/');
  size_t colon = parts.name.find(':', slash == std::string::npos ? 0 : slash);
  if (colon != std::string::npos) {
    parts.tag = parts.name.substr(colon + 1);
    parts.name.resize(colon);
  }
  return parts;
}

}  // namespace

absl::StatusOr<std::string> WithDefaultTag(const std::string& image) {
  auto invalid = [&](const std::string& why) {
    return absl::InvalidArgumentError("couldn't parse image name \"" + image + "\": " + why);
  };
  Parts parts = Split(image);
  bool has_tag = image.substr(0, image.find('@')).size() > parts.name.size();
  if (parts.name.empty()) return invalid("invalid reference format");
  // It would be taken for the id of an image.
  if (image.size() == 64 && LowerHex(image))
    return invalid("invalid repository name, cannot specify 64-byte hexadecimal strings");
  if (has_tag && !Tag(parts.tag)) return invalid("invalid tag");
  if (image.find('@') != std::string::npos && !Digest(parts.digest))
    return invalid("invalid digest");
  constexpr size_t kLongest = 255;
  size_t slash = parts.name.find('/');
  bool registry = slash != std::string::npos && IsRegistry(parts.name.substr(0, slash));
  if (parts.name.size() - (registry ? slash + 1 : 0) > kLongest)
    return invalid("repository name must not be more than 255 characters");
  bool first = true;
  for (size_t begin = 0; begin <= parts.name.size();) {
    size_t end = std::min(parts.name.find('/', begin), parts.name.size());
    std::string part = parts.name.substr(begin, end - begin);
    bool last = end == parts.name.size();
    if (first && !last && IsRegistry(part)) {
      if (!RegistryName(part)) return invalid("invalid registry name");
    } else if (!PathComponent(part)) {
      bool upper =
          std::any_of(part.begin(), part.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
      return invalid(upper ? "repository name must be lowercase" : "invalid reference format");
    }
    first = false;
    begin = end + 1;
  }
  if (!has_tag && parts.digest.empty()) return image + ":latest";
  return image;
}

std::string WithoutTag(const std::string& image) { return Split(image).name; }

std::string CredentialName(const std::string& image) {
  std::string name = Split(image).name;
  size_t slash = name.find('/');
  if (slash == std::string::npos) return "docker.io/library/" + name;
  std::string first = name.substr(0, slash);
  if (!IsRegistry(first)) return "docker.io/" + name;
  if (first != "docker.io" && first != "index.docker.io") return name;
  std::string rest = name.substr(slash + 1);
  return "docker.io/" + (rest.find('/') == std::string::npos ? "library/" + rest : rest);
}

std::string FullReference(const std::string& image) {
  Parts parts = Split(image);
  std::string out = CredentialName(image);
  if (!parts.digest.empty()) return out + "@" + parts.digest;
  return out + ":" + (parts.tag.empty() ? "latest" : parts.tag);
}

}  // namespace kubelet::image
