// A request of the Kubernetes API: what its path and query mean.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fakes/api_kinds.h"
#include "fakes/http2_server.h"

namespace kubelet::fakes {

struct ApiRequest {
  // get, list, watch, create, update, patch, delete, deletecollection; for paths without a resource
  // the method in lower case.
  std::string verb;
  std::string path;                   // decoded
  std::vector<std::string> segments;  // of the path
  std::multimap<std::string, std::string> query;
  // Resource requests. `kind` is null for resources that are not stored (tokenreviews).
  bool resource = false;
  const ApiKind* kind = nullptr;
  std::string group, version, plural, ns, name, subresource;

  // The first value of a parameter; empty when absent.
  std::string Query(const std::string& key) const;
  bool Flag(const std::string& key) const;  // true or 1
};

ApiRequest ParseApiRequest(const HttpRequest& http);
std::string PercentDecode(const std::string& text, bool plus_is_space);

}  // namespace kubelet::fakes
