// Watches without a network: who sees what, bookmarks, the end.
#include "apiserver/cluster.h"
#include "catch.h"

namespace kubelet::fakes::test {
namespace {

const std::string kPods = "/api/v1/namespaces/default/pods";
const std::map<std::string, std::string> kStrategic{
    {"content-type", "application/strategic-merge-patch+json"}};
const std::map<std::string, std::string> kProtobuf{
    {"accept", "application/vnd.kubernetes.protobuf,application/json"}};

TEST_CASE("a watch sees what its selector lets through", "[apiserver]") {
  Cluster cluster({.schedule = false});
  REQUIRE(cluster.CreatePod("old").ok());
  auto watch = cluster.Ask(
      "GET", "/api/v1/pods?watch=true&fieldSelector=spec.nodeName%3Dn1&resourceVersion=0");
  CHECK(watch->status == 200);
  CHECK(watch->Events() == std::vector<std::string>{"ADDED old"});
  REQUIRE(cluster.CreatePod("p", false).ok());
  CHECK(watch->Events().empty());
  REQUIRE(cluster.registry.Bind(cluster.admin, "default", "p", "", "n1").ok());
  CHECK(watch->Events() == std::vector<std::string>{"ADDED p"});
  REQUIRE(cluster.Ask("PATCH", kPods + "/p", R"({"metadata":{"labels":{"a":"b"}}})", kStrategic)
              ->status == 200);
  CHECK(watch->Events() == std::vector<std::string>{"MODIFIED p"});
  auto labels = cluster.Ask("GET", kPods + "?watch=1&labelSelector=a%3Db");
  CHECK(labels->Events() == std::vector<std::string>{"ADDED p"});
  REQUIRE(cluster.Ask("PATCH", kPods + "/p", R"({"metadata":{"labels":{"a":null}}})", kStrategic)
              ->status == 200);
  CHECK(labels->Events() == std::vector<std::string>{"DELETED p"});
  REQUIRE(cluster.Ask("DELETE", kPods + "/p?gracePeriodSeconds=0")->status == 200);
  CHECK(watch->Events() == std::vector<std::string>{"MODIFIED p", "MODIFIED p", "DELETED p"});
  CHECK(labels->Events().empty());
  CHECK(cluster.handler.open_watches() == 2);
  watch->closed();
  CHECK(cluster.handler.open_watches() == 1);
}

TEST_CASE("bookmarks, initial events and the end of a watch", "[apiserver]") {
  Cluster cluster;
  REQUIRE(cluster.CreatePod("p").ok());
  std::string version = std::to_string(cluster.store.revision());
  auto watch = cluster.Ask(
      "GET",
      kPods + "?watch=true&allowWatchBookmarks=true&timeoutSeconds=90&resourceVersion=" + version);
  CHECK(watch->Events().empty());
  cluster.clock.Advance(std::chrono::seconds(60));
  CHECK(watch->Events() == std::vector<std::string>{"BOOKMARK"});
  cluster.clock.Advance(std::chrono::seconds(28));
  CHECK(watch->Events() == std::vector<std::string>{"BOOKMARK"});
  cluster.clock.Advance(std::chrono::seconds(1));
  CHECK_FALSE(watch->ended);
  cluster.clock.Advance(std::chrono::seconds(1));
  CHECK(watch->ended);
  CHECK(watch->Events().empty());
  CHECK(cluster.handler.open_watches() == 0);

  std::string initial = kPods + "?watch=true&allowWatchBookmarks=true&sendInitialEvents=true";
  auto first = cluster.Ask("GET", initial + "&resourceVersionMatch=NotOlderThan");
  CHECK(first->Events() ==
        std::vector<std::string>{"ADDED p", "BOOKMARK k8s.io/initial-events-end"});
  CHECK(cluster.Ask("GET", initial)->status == 422);
  cluster.handler.options().watch_list = false;
  CHECK(cluster.Ask("GET", initial + "&resourceVersionMatch=NotOlderThan")->status == 422);
}

TEST_CASE("a watch from a forgotten version ends with 410", "[apiserver]") {
  Cluster cluster;
  std::string version = std::to_string(cluster.store.revision());
  REQUIRE(cluster.CreatePod("p").ok());
  auto good = cluster.Ask("GET", kPods + "?watch=true&resourceVersion=" + version);
  CHECK(good->Events().front() == "ADDED p");
  cluster.store.Compact();
  auto late = cluster.Ask("GET", kPods + "?watch=true&resourceVersion=" + version);
  CHECK(late->status == 200);
  CHECK(late->Events() == std::vector<std::string>{"ERROR 410"});
  CHECK(late->ended);
}

TEST_CASE("watch frames in protobuf", "[apiserver]") {
  Cluster cluster;
  REQUIRE(cluster.CreatePod("p").ok());
  auto watch = cluster.Ask("GET", kPods + "?watch=true", "", kProtobuf);
  CHECK(watch->Header("content-type") == "application/vnd.kubernetes.protobuf;stream=watch");
  const std::string& body = watch->body;
  REQUIRE(body.size() > 4);
  size_t length = 0;
  for (int i = 0; i < 4; ++i)
    length = length << 8 | static_cast<unsigned char>(body[static_cast<size_t>(i)]);
  CHECK(length == body.size() - 4);
  api::meta::WatchEvent event;
  REQUIRE(event.ParseFromString(body.substr(4)));
  CHECK(event.type() == "ADDED");
  core::Pod pod;
  REQUIRE(api::DecodeProtobuf(event.object().raw(), pod).ok());
  CHECK(pod.metadata().name() == "p");
}

}  // namespace
}  // namespace kubelet::fakes::test
