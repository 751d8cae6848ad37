#include "runtime/hooks.h"

#include "catch.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/pod.h"
#include "runtime/container_spec.h"
#include "runtime/termination_order.h"

namespace kubelet::runtime {
namespace {

Hook MakeHook(const std::string& handler, const std::string& ports = "[]") {
  auto pod = std::make_shared<api::core::Pod>();
  auto container = std::make_shared<api::core::Container>();
  REQUIRE(api::DecodeJson("{\"name\":\"c\",\"ports\":" + ports + "}", *container).ok());
  Hook hook;
  hook.pod = pod;
  hook.container = container;
  hook.pod_ips = {"10.0.0.7"};
  REQUIRE(api::DecodeJson(handler, hook.handler).ok());
  return hook;
}

TEST_CASE("an httpGet hook asks the pod itself unless it names a host") {
  struct Row {
    const char *handler, *ports, *host, *path;
    int port;
    bool https;
  };
  auto row = GENERATE(
      Row{R"({"httpGet":{"path":"/x?y=1","port":80}})", "[]", "10.0.0.7", "/x?y=1", 80, false},
      Row{R"({"httpGet":{"path":"x","port":80,"scheme":"HTTPS"}})", "[]", "10.0.0.7", "/x", 80, true},
      Row{R"({"httpGet":{"port":8080,"host":"other"}})", "[]", "other", "/", 8080, false},
      Row{R"({"httpGet":{"path":"/","port":"web"}})", R"([{"name":"web","containerPort":81}])", "10.0.0.7", "/", 81,
          false},
      Row{R"({"httpGet":{"path":"/","port":"82"}})", "[]", "10.0.0.7", "/", 82, false});
  INFO(row.handler);
  auto request = MakeHookRequest(MakeHook(row.handler, row.ports), {});
  REQUIRE(request.ok());
  CHECK(request->host == row.host);
  CHECK(request->path == row.path);
  CHECK(request->port == row.port);
  CHECK(request->https == row.https);
}

TEST_CASE("an httpGet hook that cannot be asked says why") {
  CHECK(absl::IsInvalidArgument(MakeHookRequest(MakeHook(R"({"httpGet":{"port":"web"}})"), {}).status()));
  CHECK(absl::IsInvalidArgument(MakeHookRequest(MakeHook(R"({"httpGet":{"port":0}})"), {}).status()));
  CHECK(absl::IsInvalidArgument(MakeHookRequest(MakeHook(R"({"httpGet":{"port":65536}})"), {}).status()));
  Hook hook = MakeHook(R"({"httpGet":{"port":80}})");
  hook.pod_ips.clear();
  CHECK(absl::IsFailedPrecondition(MakeHookRequest(hook, {"192.0.2.1"}).status()));
  auto pod = std::make_shared<api::core::Pod>();
  pod->mutable_spec()->set_host_network(true);
  hook.pod = pod;
  CHECK(MakeHookRequest(hook, {"192.0.2.1"})->host == "192.0.2.1");
}

TEST_CASE("what a container carries of its pod is enough to end it") {
  ContainerStatus status;
  status.name = "c";
  status.labels = {{kPodNameLabel, "web"}, {kPodNamespaceLabel, "ns"}, {kPodUidLabel, "u1"}};
  // As a kubelet in Go writes them.
  status.annotations = {
      {kPreStopAnnotation, R"({"httpGet":{"path":"/bye","port":"web","scheme":"HTTP"}})"},
      {kPortsAnnotation, R"([{"name":"web","containerPort":80,"protocol":"TCP"}])"},
      {kPodDeletionGraceAnnotation, "12"},
      {kPodTerminationGraceAnnotation, "40"},
  };
  auto lost = RestoreSpec(status);
  CHECK(lost.pod->metadata().name() == "web");
  CHECK(lost.pod->metadata().namespace_() == "ns");
  CHECK(lost.pod->metadata().uid() == "u1");
  CHECK(lost.container->name() == "c");
  CHECK(lost.container->lifecycle().pre_stop().http_get().path() == "/bye");
  CHECK(lost.container->ports(0).container_port() == 80);
  CHECK(GraceFor(*lost.pod, lost.container.get(), KillReason::kOther) == std::chrono::seconds(12));
  status.annotations = {{kPreStopAnnotation, "{"}, {kPortsAnnotation, "nonsense"}, {kPodDeletionGraceAnnotation, "x"}};
  auto damaged = RestoreSpec(status);
  CHECK_FALSE(damaged.container->has_lifecycle());
  CHECK(damaged.container->ports().empty());
  CHECK(GraceFor(*damaged.pod, damaged.container.get(), KillReason::kOther) == std::chrono::seconds(2));
}

TEST_CASE("a probe's own grace period counts unless the pod is being deleted") {
  api::core::Pod pod;
  api::core::Container c;
  pod.mutable_spec()->set_termination_grace_period_seconds(30);
  CHECK(GraceFor(pod, &c, KillReason::kLivenessProbe) == std::chrono::seconds(30));
  c.mutable_liveness_probe()->set_termination_grace_period_seconds(5);
  c.mutable_startup_probe()->set_termination_grace_period_seconds(60);
  CHECK(GraceFor(pod, &c, KillReason::kLivenessProbe) == std::chrono::seconds(5));
  CHECK(GraceFor(pod, &c, KillReason::kStartupProbe) == std::chrono::seconds(60));
  CHECK(GraceFor(pod, &c, KillReason::kOther) == std::chrono::seconds(30));
  pod.mutable_metadata()->set_deletion_grace_period_seconds(3);
  CHECK(GraceFor(pod, &c, KillReason::kLivenessProbe) == std::chrono::seconds(3));
}

TEST_CASE("a sidecar ends after the regular containers and the sidecars behind it") {
  api::core::Pod pod;
  for (const char* name : {"a", "b"}) pod.mutable_spec()->add_containers()->set_name(name);
  for (const char* name : {"s1", "i", "s2"}) {
    auto* c = pod.mutable_spec()->add_init_containers();
    c->set_name(name);
    if (*name == 's') c->set_restart_policy("Always");
  }
  using Names = std::set<std::string>;
  CHECK(EndsBefore(pod, "a") == Names{});
  CHECK(EndsBefore(pod, "i") == Names{});
  CHECK(EndsBefore(pod, "s2") == Names{"a", "b"});
  CHECK(EndsBefore(pod, "s1") == Names{"a", "b", "s2"});
  CHECK(EndsBefore(pod, "debug") == Names{});
}

}  // namespace
}  // namespace kubelet::runtime
