#include "fakes/api_request.h"

#include <cstdlib>

namespace kubelet::fakes {
namespace {

std::vector<std::string> Split(const std::string& text, char at) {
  std::vector<std::string> parts;
  size_t start = 0;
  while (start <= text.size()) {
    size_t end = std::min(text.find(at, start), text.size());
    if (end > start) parts.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

std::string VerbOf(const std::string& method, const ApiRequest& request) {
  bool collection = request.name.empty();
  if (method == "GET" || method == "HEAD") {
    if (!collection) return request.Flag("watch") ? "watch" : "get";
    return request.Flag("watch") ? "watch" : "list";
  }
  if (method == "POST") return "create";
  if (method == "PUT") return "update";
  if (method == "PATCH") return "patch";
  if (method == "DELETE") return collection ? "deletecollection" : "delete";
  return "";
}

// What comes after the version: [namespaces/NS/]PLURAL[/NAME[/SUBRESOURCE]].
void ParseResource(std::vector<std::string> rest, ApiRequest& request) {
  if (rest.size() >= 3 && rest[0] == "namespaces" && rest[2] != "status" && rest[2] != "finalize") {
    request.ns = rest[1];
    rest.erase(rest.begin(), rest.begin() + 2);
  }
  request.resource = true;
  request.plural = rest[0];
  if (rest.size() > 1) request.name = rest[1];
  for (size_t i = 2; i < rest.size(); ++i) request.subresource += (i > 2 ? "/" : "") + rest[i];
  request.kind = FindApiKind(request.group, request.version, request.plural);
}

}  // namespace

std::string PercentDecode(const std::string& text, bool plus_is_space) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(std::strtol(text.substr(i + 1, 2).c_str(), nullptr, 16));
      i += 2;
    } else {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::string ApiRequest::Query(const std::string& key) const {
  auto found = query.find(key);
  return found == query.end() ? "" : found->second;
}

bool ApiRequest::Flag(const std::string& key) const {
  std::string value = Query(key);
  return value == "true" || value == "1";
}

ApiRequest ParseApiRequest(const HttpRequest& http) {
  ApiRequest request;
  request.path = PercentDecode(http.path, false);
  for (const std::string& part : Split(http.path, '/'))
    request.segments.push_back(PercentDecode(part, false));
  for (const std::string& pair : Split(http.query, '&')) {
    auto equals = pair.find('=');
    std::string value = equals == std::string::npos ? "" : pair.substr(equals + 1);
    request.query.emplace(PercentDecode(pair.substr(0, equals), true), PercentDecode(value, true));
  }
  const auto& parts = request.segments;
  size_t skip = 0;
  if (parts.size() > 2 && parts[0] == "api") {
    request.version = parts[1];
    skip = 2;
  } else if (parts.size() > 3 && parts[0] == "apis") {
    request.group = parts[1];
    request.version = parts[2];
    skip = 3;
  }
  if (skip > 0) ParseResource({parts.begin() + static_cast<long>(skip), parts.end()}, request);
  if (request.resource) {
    request.verb = VerbOf(http.method, request);
  } else {
    for (char c : http.method) request.verb += static_cast<char>(std::tolower(c));
  }
  return request;
}

}  // namespace kubelet::fakes
