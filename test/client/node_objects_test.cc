#include "kubelet/client/node_objects.h"

#include "client/loop.h"
#include "k8s/node/v1/node.pb.h"
#include "kubelet/client/services.h"

namespace kubelet::client {
namespace {

using namespace std::chrono_literals;
namespace core = api::core;

struct Port {
  std::string name, protocol;
  int port;
};

core::Service ServiceOf(const std::string& ns, const std::string& name, const std::string& ip,
                        const std::vector<Port>& ports) {
  core::Service service;
  service.mutable_metadata()->set_namespace_(ns);
  service.mutable_metadata()->set_name(name);
  service.mutable_spec()->set_cluster_ip(ip);
  (*service.mutable_spec()->mutable_selector())["app"] = name;
  for (const auto& port : ports) {
    auto* out = service.mutable_spec()->add_ports();
    out->set_name(port.name);
    out->set_protocol(port.protocol);
    out->set_port(port.port);
  }
  return service;
}

ServicePtr Shared(core::Service service) {
  return std::make_shared<const core::Service>(std::move(service));
}

Environment KubernetesVariables() {
  return {{"KUBERNETES_SERVICE_HOST", "10.0.0.1"},
          {"KUBERNETES_SERVICE_PORT", "443"},
          {"KUBERNETES_SERVICE_PORT_HTTPS", "443"},
          {"KUBERNETES_PORT", "tcp://10.0.0.1:443"},
          {"KUBERNETES_PORT_443_TCP", "tcp://10.0.0.1:443"},
          {"KUBERNETES_PORT_443_TCP_PROTO", "tcp"},
          {"KUBERNETES_PORT_443_TCP_PORT", "443"},
          {"KUBERNETES_PORT_443_TCP_ADDR", "10.0.0.1"}};
}

TEST_CASE("the variables of services") {
  std::vector<ServicePtr> services = {
      Shared(ServiceOf("default", "kubernetes", "10.0.0.1", {{"https", "TCP", 443}})),
      Shared(ServiceOf("ns", "my-db", "fd00::5", {{"", "", 5432}, {"my-udp", "UDP", 53}})),
      Shared(ServiceOf("ns", "headless", "None", {{"", "TCP", 1}})),
      Shared(ServiceOf("ns", "external", "", {})),
      Shared(ServiceOf("other", "web", "10.0.0.9", {{"", "TCP", 80}})),
      Shared(ServiceOf("ns", "portless", "10.0.0.7", {})),
      Shared(ServiceOf("ns", "kubernetes", "10.9.9.9", {{"", "TCP", 9}})),
  };
  CHECK(ServiceEnvironment(services, "ns", false) == KubernetesVariables());
  CHECK(ServiceEnvironment({}, "ns", true).empty());
  Environment expected = KubernetesVariables();
  expected["PORTLESS_SERVICE_HOST"] = "10.0.0.7";
  for (const auto& [name, value] : Environment{{"MY_DB_SERVICE_HOST", "fd00::5"},
                                               {"MY_DB_SERVICE_PORT", "5432"},
                                               {"MY_DB_SERVICE_PORT_MY_UDP", "53"},
                                               {"MY_DB_PORT", "tcp://[fd00::5]:5432"},
                                               {"MY_DB_PORT_5432_TCP", "tcp://[fd00::5]:5432"},
                                               {"MY_DB_PORT_5432_TCP_PROTO", "tcp"},
                                               {"MY_DB_PORT_5432_TCP_PORT", "5432"},
                                               {"MY_DB_PORT_5432_TCP_ADDR", "fd00::5"},
                                               {"MY_DB_PORT_53_UDP", "udp://[fd00::5]:53"},
                                               {"MY_DB_PORT_53_UDP_PROTO", "udp"},
                                               {"MY_DB_PORT_53_UDP_PORT", "53"},
                                               {"MY_DB_PORT_53_UDP_ADDR", "fd00::5"}}) {
    expected[name] = value;
  }
  CHECK(ServiceEnvironment(services, "ns", true) == expected);
}

struct NodeObjectsFixture : test::ApiLoop {
  ServerTraits traits;
  Reflector::Deps Deps() {
    return {io.get_executor(), clock, api, &traits, [] { return 0.0; }};
  }
};

TEST_CASE("services are watched from the first question on") {
  NodeObjectsFixture f;
  ServiceLister lister(f.Deps());
  f.Run();
  CHECK(f.api.log.empty());
  f.api.Put({kServices, "default"},
            ServiceOf("default", "kubernetes", "10.0.0.1", {{"https", "TCP", 443}}));
  auto got = f.Await(lister.Get("ns", true, 1s));
  REQUIRE(got.ok());
  CHECK(*got == KubernetesVariables());
  f.api.Put({kServices, "ns"}, ServiceOf("ns", "web", "10.0.0.2", {}));
  f.Run();
  CHECK(f.Await(lister.Get("ns", true, 1s))->count("WEB_SERVICE_HOST") == 1);
  f.api.Put({kServices, "ns"}, ServiceOf("ns", "web", "None", {}));
  f.Run();
  CHECK(f.Await(lister.Get("ns", true, 1s))->count("WEB_SERVICE_HOST") == 0);
  CHECK(f.api.open_watches() == 1);
}

TEST_CASE("a pod of the API waits for the services, a static one does not") {
  NodeObjectsFixture f;
  f.api.Down();
  ServiceLister lister(f.Deps());
  auto fixed = f.Await(lister.Get("ns", true, 0s));
  REQUIRE(fixed.ok());
  CHECK(fixed->empty());
  auto got = f.Begin(lister.Get("ns", true, 2s));
  f.Advance(2s);
  REQUIRE(*got);
  CHECK((*got)->status().code() == absl::StatusCode::kUnavailable);
  f.api.Put({kServices, "default"},
            ServiceOf("default", "kubernetes", "10.0.0.1", {{"https", "TCP", 443}}));
  got = f.Begin(lister.Get("ns", true, 2s));
  f.api.Up();
  f.Advance(1200ms);
  REQUIRE(*got);
  CHECK((*got)->value() == KubernetesVariables());
}

TEST_CASE("runtime classes are read when a pod names one") {
  NodeObjectsFixture f;
  RuntimeClasses classes(f.Deps());
  CHECK(*f.Await(classes.Handler("")) == "");
  CHECK(f.api.log.empty());
  k8s::io::api::node::v1::RuntimeClass gvisor;
  gvisor.mutable_metadata()->set_name("gvisor");
  gvisor.set_handler("runsc");
  f.api.Put({kRuntimeClasses}, gvisor);
  CHECK(*f.Await(classes.Handler("gvisor")) == "runsc");
  auto missing = f.Await(classes.Handler("kata"));
  CHECK(missing.status().code() == absl::StatusCode::kNotFound);
  CHECK(missing.status().message() == "runtimeclass.node.k8s.io \"kata\" not found");
  CHECK(f.api.log.size() == 1);
  f.api.Down();
  f.Run();
  CHECK(*f.Await(classes.Handler("gvisor")) == "runsc");
  RuntimeClasses late(f.Deps());
  auto got = f.Begin(late.Handler("gvisor"));
  f.Advance(2s);
  REQUIRE(*got);
  CHECK((*got)->status().code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("the node is followed") {
  NodeObjectsFixture f;
  std::vector<std::string> seen;
  core::Node node;
  node.mutable_metadata()->set_name("n1");
  NodeWatch watch(f.Deps(), "n1");
  int relists = 0;
  watch.Start([&](NodeWatch::NodePtr now, bool relisted) {
    relists += relisted;
    if (!relisted) seen.push_back(now ? now->spec().provider_id() : "gone");
  });
  f.Run();
  CHECK(seen == std::vector<std::string>{"gone"});
  CHECK(watch.synced());
  CHECK_FALSE(watch.Get());
  node.mutable_spec()->set_provider_id("p");
  (*node.mutable_metadata()->mutable_annotations())["node.alpha.kubernetes.io/ttl"] = "15";
  f.api.Put({kNodes}, node);
  f.Run();
  CHECK(seen.back() == "p");
  CHECK(watch.Get()->spec().provider_id() == "p");
  CHECK(watch.ObjectTtl() == base::Nanos(15s));
  node.mutable_metadata()->set_name("n2");
  f.api.Put({kNodes}, node);
  f.Run();
  CHECK(seen.size() == 2);
  // A list after the first is told as such, also when it brings nothing new to this watch.
  CHECK(relists == 0);
  f.api.Put({kPods, "default"}, test::PodNamed("elsewhere", "n1"));
  f.api.Compact();
  f.Run();
  f.Advance(1s);
  CHECK(relists == 1);
  REQUIRE(f.api.Remove({kNodes, "", "n1"}).ok());
  f.Run();
  CHECK(seen.back() == "gone");
  CHECK_FALSE(watch.ObjectTtl());
}

}  // namespace
}  // namespace kubelet::client
