// The URLs that probes and hooks ask for, and where a redirect leads (RFC 3986 5.2). Pure; any
// bytes are welcome.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace kubelet::probe {

struct Url {
  bool https = false;
  std::string host;  // no brackets
  uint16_t port = 0;
  std::string target = "/";  // path and query, percent-encoded, begins with a slash

  std::string Authority() const;  // `10.0.0.1:80`, `[::1]:80`
  std::string Text() const;       // `http://10.0.0.1:80/x?y`
};

// `path` of an httpGet as a request target: what a URL cannot hold is percent-encoded, a fragment
// is dropped (pkg/probe/http formatURL).
std::string RequestTarget(const std::string& path);

// Where `location` leads from `base`; nullopt when it is no URL that we can ask (another scheme, no
// host, a bad port). `absolute`: it names a host itself.
struct Redirect {
  Url url;
  bool absolute = false;
};
std::optional<Redirect> Follow(const Url& base, const std::string& location);

}  // namespace kubelet::probe
