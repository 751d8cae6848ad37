// The HTTP side without a network: forms, codes, lists, reviews, faults.
#include "apiserver/cluster.h"
#include "catch.h"
#include "fakes/api_faults.h"
#include "fakes/api_table.h"
#include "k8s/authentication/v1/authentication.pb.h"

namespace kubelet::fakes::test {
namespace {

const std::string kPods = "/api/v1/namespaces/default/pods";
const std::map<std::string, std::string> kStrategic{
    {"content-type", "application/strategic-merge-patch+json"}};
const std::map<std::string, std::string> kProtobuf{
    {"accept", "application/vnd.kubernetes.protobuf,application/json"}};

TEST_CASE("objects come and go in JSON and protobuf", "[apiserver]") {
  Cluster cluster;
  core::Pod pod;
  pod.mutable_metadata()->set_name("p");
  pod.mutable_spec()->set_node_name("n1");
  auto& container = *pod.mutable_spec()->add_containers();
  container.set_name("a");
  container.set_image("b");
  auto created = cluster.Ask("POST", kPods, api::EncodeProtobuf(pod),
                             {{"content-type", "application/vnd.kubernetes.protobuf"}});
  CHECK(created->status == 201);
  CHECK(created->Header("content-type") == "application/json");
  CHECK(created->json().at_pointer("/status/phase") == "Pending");

  auto read = cluster.Ask("GET", kPods + "/p", "", kProtobuf);
  CHECK(read->Header("content-type") == "application/vnd.kubernetes.protobuf");
  core::Pod back;
  REQUIRE(api::DecodeProtobuf(read->body, back).ok());
  CHECK(SameObject(back, *cluster.Pod("p")));

  auto list = cluster.Ask("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", "", kProtobuf);
  core::PodList pods;
  REQUIRE(api::DecodeProtobuf(list->body, pods).ok());
  CHECK(pods.items_size() == 1);
  CHECK(pods.metadata().resource_version() == std::to_string(cluster.store.revision()));
  CHECK(cluster.Ask("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn2")
            ->json()
            .at("items")
            .as_array()
            .empty());
}

TEST_CASE("refusals carry a Status with code and reason", "[apiserver]") {
  Cluster cluster;
  REQUIRE(cluster.CreatePod("p").ok());
  std::string good =
      R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"b"}]}})";
  struct Case {
    const char* method;
    std::string path, body;
    std::map<std::string, std::string> headers;
    int code;
    const char* reason;
  };
  const Case cases[] = {
      {"GET", kPods + "/no", "", {}, 404, "NotFound"},
      {"GET", "/api/v1/nonsense", "", {}, 404, "NotFound"},
      {"GET", kPods + "/p/nonsense", "", {}, 404, "NotFound"},
      {"POST", kPods, good, {}, 409, "AlreadyExists"},
      {"POST", kPods, "{", {}, 400, "BadRequest"},
      {"POST", kPods, "x", {{"content-type", "text/plain"}}, 415, "UnsupportedMediaType"},
      {"POST",
       kPods + "?fieldValidation=Strict",
       R"({"metadata":{"name":"q"},"spc":{}})",
       {},
       400,
       "BadRequest"},
      {"POST", "/api/v1/namespaces/none/pods", good, {}, 404, "NotFound"},
      {"PUT", kPods + "/q", good, {}, 400, "BadRequest"},
      {"GET", kPods, "", {{"accept", "text/html"}}, 406, "NotAcceptable"},
      {"PATCH",
       kPods + "/p",
       "{}",
       {{"content-type", "application/apply-patch+yaml"}},
       415,
       "UnsupportedMediaType"},
      {"PATCH", kPods + "/p", R"({"metadata":{"resourceVersion":"1"}})", kStrategic, 409,
       "Conflict"},
      {"PATCH", kPods + "/p", "[", kStrategic, 400, "BadRequest"},
      {"PATCH",
       kPods + "/p",
       R"([{"op":"test","path":"/metadata/name","value":"q"}])",
       {{"content-type", "application/json-patch+json"}},
       422,
       "Invalid"},
      {"PATCH", kPods + "/p", R"({"spec":{"containers":[{"name":"new"}]}})", kStrategic, 422,
       "Invalid"},
      {"GET", kPods + "?resourceVersion=9999", "", {}, 504, "Timeout"},
      {"GET", kPods + "?fieldSelector=a%3Db", "", {}, 400, "BadRequest"},
      {"GET", kPods + "/p/log", "", {}, 501, "NotImplemented"},
      {"PUT",
       "/apis/coordination.k8s.io/v1/namespaces/default/leases/l",
       R"({"metadata":{"name":"l"}})",
       {},
       201,
       ""},
      {"PUT",
       "/apis/coordination.k8s.io/v1/namespaces/default/leases/l",
       R"({"metadata":{"name":"l"}})",
       {},
       422,
       "Invalid"},
  };
  for (const Case& row : cases) {
    INFO(row.method << " " << row.path << " " << row.body);
    auto answer = cluster.Ask(row.method, row.path, row.body, row.headers);
    INFO(answer->body);
    CHECK(answer->status == row.code);
    if (answer->status < 400) continue;
    CHECK(answer->json().at("kind") == "Status");
    CHECK(answer->json().at("code") == row.code);
    CHECK(answer->json().at("reason") == row.reason);
  }
}

TEST_CASE("refusals name the object and its fields", "[apiserver]") {
  Cluster cluster;
  auto details = [](const std::shared_ptr<Answer>& answer) {
    return boost::json::serialize(answer->json().at("details"));
  };
  CHECK(details(cluster.Ask("GET", kPods + "/no")) == R"({"name":"no","kind":"pods"})");
  CHECK(
      details(cluster.Ask("POST", kPods, R"({"metadata":{"name":"x"},"spec":{}})")) ==
      R"({"name":"x","kind":"Pod","causes":[{"reason":"FieldValueRequired","message":"Required value","field":"spec.containers"}]})");
  CHECK(
      details(cluster.Ask("GET", kPods + "?resourceVersion=999")) ==
      R"({"causes":[{"reason":"ResourceVersionTooLarge","message":"Too large resource version"}],"retryAfterSeconds":1})");
}

TEST_CASE("patches of a pod's status", "[apiserver]") {
  Cluster cluster;
  REQUIRE(cluster.CreatePod("p").ok());
  std::string uid = cluster.Pod("p")->metadata().uid();
  auto patch = [&](const std::string& body) {
    return cluster.Ask("PATCH", kPods + "/p/status", body, kStrategic, "system:node:n1",
                       {"system:nodes"});
  };
  auto first = patch(R"({"metadata":{"uid":")" + uid + R"("},"status":{"phase":"Running",
    "conditions":[{"type":"Ready","status":"False"}]}})");
  CHECK(first->status == 200);
  auto second =
      patch(R"({"status":{"$setElementOrder/conditions":[{"type":"Initialized"},{"type":"Ready"}],
    "conditions":[{"type":"Initialized","status":"True"},{"type":"Ready","status":"True"}]}})");
  CHECK(second->status == 200);
  auto pod = cluster.Pod("p");
  CHECK(pod->status().phase() == "Running");
  REQUIRE(pod->status().conditions_size() == 2);
  CHECK(pod->status().conditions(1).status() == "True");
  CHECK(patch(R"({"metadata":{"uid":"other"},"status":{"phase":"Failed"}})")->status == 422);
  uint64_t before = cluster.store.revision();
  CHECK(patch(R"({"status":{"phase":"Running"}})")->status == 200);
  CHECK(cluster.store.revision() == before);
  // Not in the order that it says it wants.
  CHECK(patch(R"({"status":{"$setElementOrder/conditions":[{"type":"A"},{"type":"B"}],
    "conditions":[{"type":"B","status":"True"},{"type":"A","status":"True"}]}})")
            ->status == 500);
}

TEST_CASE("long lists come in pages", "[apiserver]") {
  Cluster cluster;
  for (const char* name : {"a", "b", "c"}) REQUIRE(cluster.CreatePod(name).ok());
  auto first = cluster.Ask("GET", kPods + "?limit=2")->json();
  CHECK(first.at("items").as_array().size() == 2);
  CHECK(first.at_pointer("/metadata/remainingItemCount") == 1);
  std::string token(first.at_pointer("/metadata/continue").as_string());
  auto second = cluster.Ask("GET", kPods + "?limit=2&continue=" + token)->json();
  REQUIRE(second.at("items").as_array().size() == 1);
  CHECK(second.at_pointer("/items/0/metadata/name") == "c");
  CHECK(cluster.Ask("GET", kPods + "?continue=nonsense")->status == 400);
  cluster.store.Compact();
  REQUIRE(cluster.CreatePod("d").ok());
  CHECK(cluster.Ask("GET", kPods + "?continue=" + token)->status == 200);
  cluster.store.Compact();
  CHECK(cluster.Ask("GET", kPods + "?continue=" + token)->status == 410);
  CHECK(cluster.Ask("GET", kPods + "?limit=1&resourceVersion=0")
            ->json()
            .at("items")
            .as_array()
            .size() == 4);
}

TEST_CASE("who may ask", "[apiserver]") {
  Cluster cluster;
  cluster.tokens.Add("abcdef.0123456789abcdef",
                     {"system:bootstrap:abcdef", "", {"system:bootstrappers"}});
  auto ask = [&](const std::string& path, const std::string& token) {
    std::map<std::string, std::string> headers;
    if (!token.empty()) headers["authorization"] = "Bearer " + token;
    return cluster.Ask("GET", path, "", headers, "", {})->status;
  };
  CHECK(ask("/healthz", "") == 200);
  CHECK(ask("/api/v1/nodes", "") == 403);
  CHECK(ask("/api/v1/nodes", "wrong") == 401);
  CHECK(ask("/api/v1/nodes", "abcdef.0123456789abcdef") == 403);
  CHECK(ask("/apis/certificates.k8s.io/v1/certificatesigningrequests", "abcdef.0123456789abcdef") ==
        200);
  auto node = [&](const std::string& path) {
    return cluster.Ask("GET", path, "", {}, "system:node:n1", {"system:nodes"})->status;
  };
  CHECK(node("/api/v1/namespaces/default/secrets") == 403);
  CHECK(node("/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%3Dx") == 200);
  CHECK(node("/api/v1/services") == 200);
}

TEST_CASE("service account tokens are made and known again", "[apiserver]") {
  Cluster cluster;
  REQUIRE(cluster.CreatePod("p").ok());
  std::string uid = cluster.Pod("p")->metadata().uid();
  const std::string path = "/api/v1/namespaces/default/serviceaccounts/default/token";
  auto request = [&](const std::string& pod_uid, const std::string& more) {
    return R"({"spec":{"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"p","uid":")" +
           pod_uid + "\"}" + more + "}}";
  };
  auto ask = [&](const std::string& body, const std::string& node) {
    return cluster.Ask("POST", path, body, {}, "system:node:" + node, {"system:nodes"});
  };
  auto good = ask(request(uid, R"(,"expirationSeconds":600)"), "n1");
  REQUIRE(good->status == 201);
  std::string token(good->json().at_pointer("/status/token").as_string());
  CHECK(good->json().at_pointer("/status/expirationTimestamp") == "2023-11-14T22:23:20Z");
  CHECK(ask(request("other", ""), "n1")->status == 403);
  CHECK(ask(request(uid, R"(,"expirationSeconds":10)"), "n1")->status == 422);
  CHECK(ask(request(uid, ""), "n2")->status == 403);
  CHECK(ask(R"({"spec":{}})", "n1")->status == 403);
  CHECK(ask(request(uid, R"(,"audiences":["x"])"), "n1")->status == 403);

  auto review = [&] {
    return cluster
        .Ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews",
             R"({"spec":{"token":")" + token + "\"}}")
        ->json();
  };
  CHECK(review().at_pointer("/status/authenticated") == true);
  CHECK(review().at_pointer("/status/user/username") == "system:serviceaccount:default:default");
  CHECK(review().at_pointer("/status/audiences/0") == "https://kubernetes.default.svc");
  auto authenticated = [&] { return review().at("status").as_object().contains("authenticated"); };
  std::string good_token = token;
  token[token.size() / 2] ^= 1;
  CHECK_FALSE(authenticated());
  token = good_token;
  CHECK(authenticated());
  cluster.clock.Advance(std::chrono::seconds(601));
  CHECK_FALSE(authenticated());
}

TEST_CASE("access reviews allow all until told otherwise", "[apiserver]") {
  Cluster cluster;
  auto allowed = [&](const std::string& user) {
    return cluster
        .Ask(
            "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            R"({"spec":{"user":")" + user +
                R"(","resourceAttributes":{"verb":"get","resource":"nodes","subresource":"proxy"}}})")
        ->json()
        .at_pointer("/status/allowed")
        .as_bool();
  };
  CHECK(allowed("x"));
  cluster.handler.options().allow = [](const std::string& user, const std::string& verb,
                                       const std::string& what) {
    return !(user == "x" && verb == "get" && what == "nodes/proxy");
  };
  CHECK_FALSE(allowed("x"));
  CHECK(allowed("y"));
}

TEST_CASE("eviction is a graceful deletion", "[apiserver]") {
  Cluster cluster;
  REQUIRE(cluster.CreatePod("p").ok());
  auto answer =
      cluster.Ask("POST", kPods + "/p/eviction",
                  R"({"metadata":{"name":"p"},"deleteOptions":{"gracePeriodSeconds":7}})");
  CHECK(answer->status == 201);
  CHECK(cluster.Pod("p")->metadata().deletion_grace_period_seconds() == 7);
  CHECK(cluster.Pod("p")->status().conditions(0).reason() == "EvictionByEvictionAPI");
}

TEST_CASE("tables show what kubectl prints", "[apiserver]") {
  Cluster cluster;
  REQUIRE(cluster.CreatePod("p").ok());
  REQUIRE(cluster
              .Change<core::Pod>(cluster.admin, "pods", "p", "status",
                                 [](core::Pod& pod) {
                                   auto& status = *pod.mutable_status()->add_container_statuses();
                                   status.set_name("a");
                                   status.set_restart_count(3);
                                   status.mutable_state()->mutable_waiting()->set_reason(
                                       "CrashLoopBackOff");
                                 })
              .ok());
  cluster.clock.Advance(std::chrono::seconds(200));
  auto table =
      cluster
          .Ask("GET", kPods, "",
               {{"accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}})
          ->json();
  CHECK(table.at("kind") == "Table");
  CHECK(boost::json::serialize(table.at_pointer("/rows/0/cells")) ==
        R"(["p","0/1","CrashLoopBackOff","3","3m20s","<none>","n1","<none>","<none>"])");
  CHECK(table.at_pointer("/rows/0/object/kind") == "PartialObjectMetadata");
}

TEST_CASE("ages", "[apiserver]") {
  using std::chrono::hours;
  using std::chrono::seconds;
  CHECK(HumanDuration(seconds(-5)) == "<invalid>");
  CHECK(HumanDuration(seconds(119)) == "119s");
  CHECK(HumanDuration(seconds(120)) == "2m");
  CHECK(HumanDuration(seconds(125)) == "2m5s");
  CHECK(HumanDuration(seconds(3600)) == "60m");
  CHECK(HumanDuration(hours(3)) == "3h");
  CHECK(HumanDuration(hours(47)) == "47h");
  CHECK(HumanDuration(hours(50)) == "2d2h");
  CHECK(HumanDuration(hours(24 * 400)) == "400d");
  CHECK(HumanDuration(hours(24 * 365 * 2)) == "2y");
}

TEST_CASE("faults hit the calls they name, so many times", "[apiserver]") {
  ApiFaults faults;
  REQUIRE(
      faults
          .Add(
              R"([{"verb":"patch","resource":"pods","subresource":"status","skip":1,"count":2,"status":409},
                         {"user":"u","delayMs":20,"count":-1}])")
          .ok());
  auto take = [&](const std::string& method, const std::string& path, const std::string& user) {
    HttpRequest http;
    http.method = method;
    http.path = path;
    return faults.Take(http, ParseApiRequest(http), user);
  };
  CHECK(take("PATCH", kPods + "/p/status", "").status == 0);
  CHECK(take("GET", kPods + "/p/status", "").status == 0);
  ApiFault hit = take("PATCH", kPods + "/p/status", "u");
  CHECK(hit.status == 409);
  CHECK(hit.delay == std::chrono::milliseconds(20));
  CHECK(CodeOf(FaultStatus(hit)) == 409);
  CHECK(take("PATCH", kPods + "/p/status", "").status == 409);
  CHECK(take("PATCH", kPods + "/p/status", "").status == 0);
  CHECK(take("GET", "/version", "u").delay == std::chrono::milliseconds(20));
  CHECK_FALSE(faults.Add("{").ok());
  CHECK_FALSE(faults.Add(R"({"verbs":"x"})").ok());
  CHECK_FALSE(faults.Add(R"({"count":"x"})").ok());
  faults.Clear();
  CHECK(faults.ToJson() == "[]");
}

}  // namespace
}  // namespace kubelet::fakes::test
