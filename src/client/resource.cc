#include "kubelet/client/resource.h"

namespace kubelet::client {
namespace {

void AppendSegment(std::string& out, const std::string& segment) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  out += '/';
  for (unsigned char c : segment) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '-' || c == '.' || c == '_' || c == '~' || c == ':';
    if (plain) {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
}

}  // namespace

std::string ObjectPath::Text() const {
  std::string out = *resource.group == '\0' ? "/api" : "/apis";
  if (*resource.group != '\0') AppendSegment(out, resource.group);
  AppendSegment(out, resource.version);
  if (!namespace_.empty()) {
    out += "/namespaces";
    AppendSegment(out, namespace_);
  }
  AppendSegment(out, resource.plural);
  if (!name.empty()) AppendSegment(out, name);
  if (!subresource.empty()) {
    out += '/';
    out += subresource;  // may itself be a path: `proxy/metrics`
  }
  return out;
}

}  // namespace kubelet::client
