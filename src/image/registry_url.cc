#include "image/registry_url.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace kubelet::image {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// nullopt for a `%` without two hex digits.
std::optional<std::string> Unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    int high = HexValue(text[i + 1]), low = HexValue(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

bool Digits(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool HostOk(const std::string& host) {
  if (!host.empty() && host[0] == '[') {
    size_t end = host.rfind(']');
    if (end == std::string::npos) return false;
    std::string rest = host.substr(end + 1);
    return rest.empty() || (rest[0] == ':' && Digits(rest.substr(1)));
  }
  if (host.find_first_of(" %<>\"\\^`{}|") != std::string::npos) return false;
  size_t colon = host.rfind(':');
  return colon == std::string::npos || Digits(host.substr(colon + 1));
}

// Host and port; everything is host when there is no single colon outside of brackets.
std::pair<std::string, std::string> SplitPort(const std::string& host) {
  size_t colon = host.rfind(':');
  if (colon == std::string::npos) return {host, ""};
  if (host[0] == '[') {
    size_t end = host.find(']');
    if (end == std::string::npos || end + 1 != colon) return {host, ""};
    return {host.substr(1, end - 1), host.substr(colon + 1)};
  }
  if (host.find(':') != colon) return {host, ""};
  return {host.substr(0, colon), host.substr(colon + 1)};
}

std::vector<std::string> Labels(const std::string& host) {
  std::vector<std::string> out;
  for (size_t begin = 0;;) {
    size_t dot = host.find('.', begin);
    out.push_back(host.substr(begin, dot == std::string::npos ? dot : dot - begin));
    if (dot == std::string::npos) return out;
    begin = dot + 1;
  }
}

// `*` is any run of characters; a label holds no other wildcard, since the others end a host.
bool LabelMatches(const std::string& glob, const std::string& label) {
  size_t g = 0, l = 0, star = std::string::npos, resume = 0;
  while (l < label.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      resume = l;
    } else if (g < glob.size() && glob[g] == label[l]) {
      ++g;
      ++l;
    } else if (star != std::string::npos) {
      g = star + 1;
      l = ++resume;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

}  // namespace

absl::StatusOr<RegistryUrl> ParseRegistryUrl(const std::string& text) {
  auto invalid = [&](const char* why) {
    return absl::InvalidArgumentError("\"" + text + "\" is no registry address: " + why);
  };
  bool control =
      std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (control) return invalid("control character");
  std::string rest = text.substr(0, text.find('#'));
  rest = rest.substr(0, rest.find('?'));
  size_t slash = rest.find('/');
  RegistryUrl out;
  out.host = rest.substr(0, slash);
  if (size_t at = out.host.rfind('@'); at != std::string::npos) out.host.erase(0, at + 1);
  if (!HostOk(out.host)) return invalid("host or port");
  if (slash == std::string::npos) return out;
  auto path = Unescape(rest.substr(slash));
  if (!path) return invalid("escape in the path");
  out.path = *std::move(path);
  return out;
}

bool RegistryUrlMatches(const std::string& glob, const std::string& target) {
  auto pattern = ParseRegistryUrl(glob), url = ParseRegistryUrl(target);
  if (!pattern.ok() || !url.ok()) return false;
  auto [pattern_host, pattern_port] = SplitPort(pattern->host);
  auto [host, port] = SplitPort(url->host);
  if (pattern_port != port) return false;
  auto wanted = Labels(pattern_host), labels = Labels(host);
  if (wanted.size() != labels.size()) return false;
  if (url->path.compare(0, pattern->path.size(), pattern->path) != 0) return false;
  for (size_t i = 0; i < labels.size(); ++i)
    if (!LabelMatches(wanted[i], labels[i])) return false;
  return true;
}

std::optional<std::string> RegistryKey(const std::string& location) {
  std::string text = location;
  for (const char* scheme : {"https://", "http://"}) {
    std::string prefix = scheme;
    if (text.rfind(prefix, 0) != 0) continue;
    text.erase(0, prefix.size());
    break;
  }
  auto url = ParseRegistryUrl(text);
  if (!url.ok()) return std::nullopt;
  std::string path = url->path;
  if (path.rfind("/v2/", 0) == 0 || path.rfind("/v1/", 0) == 0) path.erase(0, 3);
  if (path == "/") path.clear();
  return url->host + path;
}

}  // namespace kubelet::image
