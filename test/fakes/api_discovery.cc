#include "fakes/api_discovery.h"

#include <boost/json.hpp>
#include <map>
#include <set>

#include "fakes/api_kinds.h"

namespace kubelet::fakes {
namespace {

namespace json = boost::json;

// Resources that are asked but not stored.
struct Review {
  const char* group;
  const char* plural;
  const char* kind;
  bool namespaced;
};
constexpr Review kReviews[] = {
    {"authentication.k8s.io", "tokenreviews", "TokenReview", false},
    {"authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", false},
    {"authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview", false},
    {"authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", false},
    {"authorization.k8s.io", "localsubjectaccessreviews", "LocalSubjectAccessReview", true},
};

std::set<std::string> Groups() {
  std::set<std::string> groups;
  for (const ApiKind& kind : ApiKinds())
    if (!kind.group.empty()) groups.insert(kind.group);
  for (const Review& review : kReviews) groups.insert(review.group);
  return groups;
}

json::object Group(const std::string& name, const std::string& at = "v1") {
  json::object version{{"groupVersion", name + "/" + at}, {"version", at}};
  return json::object{{"name", name},
                      {"versions", json::array{json::value(version)}},
                      {"preferredVersion", version}};
}

json::object Entry(const std::string& name, const std::string& kind, bool namespaced,
                   json::array verbs) {
  return json::object{{"name", name},
                      {"singularName", ""},
                      {"namespaced", namespaced},
                      {"kind", kind},
                      {"verbs", std::move(verbs)}};
}

json::object SubresourceEntry(const ApiKind& kind, const std::string& subresource) {
  std::string type = kind.kind;
  json::array verbs{"get", "patch", "update"};
  std::map<std::string, std::string> groups;
  if (subresource == "eviction") type = "Eviction";
  if (subresource == "binding") type = "Binding";
  if (subresource == "token") type = "TokenRequest";
  if (subresource == "eviction" || subresource == "binding" || subresource == "token")
    verbs = {"create"};
  if (subresource == "log") verbs = {"get"};
  if (subresource == "exec" || subresource == "attach" || subresource == "portforward") {
    type = "Pod" +
           std::string(subresource == "exec"     ? "Exec"
                       : subresource == "attach" ? "Attach"
                                                 : "PortForward") +
           "Options";
    verbs = {"create", "get"};
  }
  json::object entry = Entry(kind.plural + "/" + subresource, type, kind.namespaced, verbs);
  if (type == "Eviction") {
    entry["group"] = "policy";
    entry["version"] = "v1";
  }
  return entry;
}

std::string ResourceList(const std::string& group) {
  json::array resources;
  for (const ApiKind& kind : ApiKinds()) {
    if (kind.group != group) continue;
    json::object entry =
        Entry(kind.plural, kind.kind, kind.namespaced,
              {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"});
    entry["singularName"] = kind.singular;
    if (!kind.short_names.empty())
      entry["shortNames"] = json::array(kind.short_names.begin(), kind.short_names.end());
    if (kind.plural == "pods" || kind.plural == "services")
      entry["categories"] = json::array{"all"};
    resources.push_back(entry);
    for (const std::string& subresource : kind.subresources)
      resources.push_back(SubresourceEntry(kind, subresource));
  }
  if (group.empty()) resources.push_back(Entry("bindings", "Binding", true, {"create"}));
  for (const Review& review : kReviews)
    if (review.group == group)
      resources.push_back(Entry(review.plural, review.kind, review.namespaced, {"create"}));
  json::object list{{"kind", "APIResourceList"}, {"apiVersion", "v1"}};
  list["groupVersion"] = group.empty() ? "v1" : group + "/v1";
  list["resources"] = resources;
  return json::serialize(list);
}

// Only what says that PATCH knows fieldValidation: kubectl looks for that and nothing else.
std::string OpenApi(const std::string& group) {
  json::object paths;
  for (const ApiKind& kind : ApiKinds()) {
    if (kind.group != group) continue;
    std::string path = group.empty() ? "/api/v1/" : "/apis/" + group + "/v1/";
    if (kind.namespaced) path += "namespaces/{namespace}/";
    json::object parameter{{"name", "fieldValidation"}, {"in", "query"}};
    json::object patch;
    patch["parameters"] = json::array{json::value(parameter)};
    patch["x-kubernetes-group-version-kind"] =
        json::object{{"group", group}, {"version", "v1"}, {"kind", kind.kind}};
    patch["responses"] = json::object();
    paths[path + kind.plural + "/{name}"] = json::object{{"patch", patch}};
  }
  json::object document{{"openapi", "3.0.0"}};
  document["info"] = json::object{{"title", "Kubernetes"}, {"version", "v1.36.0"}};
  document["paths"] = paths;
  return json::serialize(document);
}

std::string OpenApiIndex() {
  json::object paths;
  auto add = [&](const std::string& path) {
    paths[path] = json::object{{"serverRelativeURL", "/openapi/v3/" + path}};
  };
  add("api/v1");
  for (const std::string& group : Groups()) add("apis/" + group + "/v1");
  return json::serialize(json::object{{"paths", paths}});
}

std::string Version() {
  return json::serialize(json::object{{"major", "1"},
                                      {"minor", "36"},
                                      {"gitVersion", "v1.36.0"},
                                      {"gitCommit", ""},
                                      {"gitTreeState", "clean"},
                                      {"buildDate", "2026-01-01T00:00:00Z"},
                                      {"goVersion", ""},
                                      {"compiler", ""},
                                      {"platform", "linux/amd64"}});
}

std::string CoreVersions(const std::string& address) {
  json::object where{{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", address}};
  json::object body{{"kind", "APIVersions"}};
  body["versions"] = json::array{"v1"};
  body["serverAddressByClientCIDRs"] = json::array{json::value(where)};
  return json::serialize(body);
}

std::string GroupList(const AggregatedGroups& aggregated) {
  json::array groups;
  for (const std::string& group : Groups()) groups.push_back(Group(group));
  for (const auto& [name, group] : aggregated) groups.push_back(Group(name, group.version));
  return json::serialize(
      json::object{{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", groups}});
}

}  // namespace

std::optional<std::string> DiscoveryBody(const std::string& path, const std::string& address,
                                         const AggregatedGroups& aggregated) {
  if (path == "/version" || path == "/version/") return Version();
  if (path == "/api" || path == "/api/") return CoreVersions(address);
  if (path == "/apis" || path == "/apis/") return GroupList(aggregated);
  if (path == "/api/v1" || path == "/api/v1/") return ResourceList("");
  if (path == "/openapi/v3") return OpenApiIndex();
  if (path == "/openapi/v3/api/v1") return OpenApi("");
  for (const auto& [name, group] : aggregated) {
    if (path != "/apis/" + name) continue;
    json::object body = Group(name, group.version);
    body["kind"] = "APIGroup";
    body["apiVersion"] = "v1";
    return json::serialize(body);
  }
  for (const std::string& group : Groups()) {
    if (path == "/apis/" + group) {
      json::object body = Group(group);
      body["kind"] = "APIGroup";
      body["apiVersion"] = "v1";
      return json::serialize(body);
    }
    if (path == "/apis/" + group + "/v1") return ResourceList(group);
    if (path == "/openapi/v3/apis/" + group + "/v1") return OpenApi(group);
  }
  return std::nullopt;
}

}  // namespace kubelet::fakes
