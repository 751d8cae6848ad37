// A request as the handlers see it, and the pure parts of reading one. Any thread.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kubelet::server {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;
  std::string path;  // decoded
  std::string raw_query;
  Pairs query;  // decoded, in order; pairs that are no good are left out, as Go does
  Pairs headers;
  std::string body;
  std::string remote;  // address of the client
  bool http11 = true;

  // The first of that name; empty: none. Header names in any case.
  std::string Header(const std::string& name) const;
  std::optional<std::string> Query(const std::string& name) const;
  // A comma-separated header has this token, in any case.
  bool HeaderHas(const std::string& name, const std::string& token) const;
};

// Percent-decoding; nullopt: a bad escape. `plus`: `+` is a space.
std::optional<std::string> PercentDecode(const std::string& text, bool plus);
Pairs ParseQuery(const std::string& raw);
// Splits the target and decodes its parts; false: a bad path.
bool ParseRequestTarget(const std::string& target, HttpRequest& request);
bool SameIgnoringCase(const std::string& a, const std::string& b);

}  // namespace kubelet::server
