#include "kubelet/admission/admission.h"

#include "catch.h"

namespace kubelet::admission {
namespace {

NodeFacts MakeNode() {
  NodeFacts node;
  node.name = "n1";
  node.labels = {{"kubernetes.io/os", "linux"}, {"zone", "a"}, {"cores", "8"}};
  node.allocatable = {{"cpu", 4000}, {"memory", 1000}, {"pods", 10}, {"example.com/gpu", 2}};
  return node;
}
const NodeFacts kNode = MakeNode();

std::optional<Rejection> Admit(const api::core::Pod& pod, const NodeFacts& node) {
  return Judge(pod, node, {}).rejection;
}

std::string Reason(const api::core::Pod& pod, const NodeFacts& node = kNode) {
  auto rejection = Admit(pod, node);
  return rejection ? rejection->reason : "";
}
std::string Message(const api::core::Pod& pod, const NodeFacts& node) {
  auto rejection = Admit(pod, node);
  return rejection ? rejection->message : "";
}

TEST_CASE("a pod that asks for nothing is admitted") { CHECK(Reason({}) == ""); }

TEST_CASE("operating systems") {
  api::core::Pod pod;
  pod.mutable_spec()->mutable_os()->set_name("linux");
  (*pod.mutable_metadata()->mutable_labels())["kubernetes.io/os"] = "linux";
  CHECK(Reason(pod) == "");
  pod.mutable_spec()->mutable_os()->set_name("windows");
  CHECK(Reason(pod) == "PodOSNotSupported");
  (*pod.mutable_metadata()->mutable_labels())["kubernetes.io/os"] = "windows";
  CHECK(Reason(pod) == "PodOSSelectorNodeLabelDoesNotMatch");
}

TEST_CASE("node name and selector, in upstream's words") {
  api::core::Pod pod;
  pod.mutable_spec()->set_node_name("n1");
  (*pod.mutable_spec()->mutable_node_selector())["zone"] = "a";
  CHECK(Reason(pod) == "");
  pod.mutable_spec()->set_node_name("n2");
  CHECK(Admit(pod, kNode)->message ==
        "Predicate NodeName failed: node(s) didn't match the requested node name");
  (*pod.mutable_spec()->mutable_node_selector())["zone"] = "b";
  CHECK(Admit(pod, kNode)->message ==
        "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector");
  (*pod.mutable_spec()->mutable_node_selector())["zone"] = "a";
  (*pod.mutable_spec()->mutable_node_selector())["none"] = "";
  CHECK(Reason(pod) == "NodeAffinity");
}

struct Want {
  const char *key, *op;
  std::vector<std::string> values;
};

void Require(api::core::NodeSelectorRequirement* out, const Want& want) {
  out->set_key(want.key);
  out->set_operator_(want.op);
  for (const auto& value : want.values) out->add_values(value);
}

TEST_CASE("operators of node affinity") {
  struct Row {
    Want want;
    bool matches;
  };
  auto row = GENERATE(Row{{"zone", "In", {"b", "a"}}, true}, Row{{"zone", "In", {"b"}}, false},
                      Row{{"none", "In", {"b"}}, false}, Row{{"zone", "NotIn", {"a"}}, false},
                      Row{{"zone", "NotIn", {"b"}}, true}, Row{{"none", "NotIn", {"b"}}, true},
                      Row{{"zone", "NotIn", {}}, false}, Row{{"zone", "Exists", {}}, true},
                      Row{{"none", "Exists", {}}, false}, Row{{"none", "DoesNotExist", {}}, true},
                      Row{{"zone", "DoesNotExist", {}}, false}, Row{{"cores", "Gt", {"7"}}, true},
                      Row{{"cores", "Gt", {"8"}}, false}, Row{{"cores", "Lt", {"9"}}, true},
                      Row{{"cores", "Lt", {"8"}}, false}, Row{{"zone", "Gt", {"1"}}, false},
                      Row{{"cores", "Gt", {"x"}}, false}, Row{{"zone", "Like", {"a"}}, false});
  INFO(row.want.key << " " << row.want.op);
  api::core::Pod pod;
  auto* required = pod.mutable_spec()
                       ->mutable_affinity()
                       ->mutable_node_affinity()
                       ->mutable_required_during_scheduling_ignored_during_execution();
  Require(required->add_node_selector_terms()->add_match_expressions(), row.want);
  CHECK(MatchesNode(pod, kNode) == row.matches);
}

TEST_CASE("one term is enough, and all of it has to match; an empty one matches nothing") {
  api::core::Pod pod;
  auto* required = pod.mutable_spec()
                       ->mutable_affinity()
                       ->mutable_node_affinity()
                       ->mutable_required_during_scheduling_ignored_during_execution();
  CHECK_FALSE(MatchesNode(pod, kNode));
  required->add_node_selector_terms();
  CHECK_FALSE(MatchesNode(pod, kNode));
  auto* term = required->add_node_selector_terms();
  Require(term->add_match_fields(), {"metadata.name", "In", {"n1"}});  // as DaemonSets do
  CHECK(MatchesNode(pod, kNode));
  Require(term->add_match_expressions(), {"zone", "In", {"b"}});
  CHECK_FALSE(MatchesNode(pod, kNode));
}

// A pod with one container that asks for this.
api::core::Pod Asks(const std::string& name, const std::map<std::string, std::string>& requests) {
  api::core::Pod pod;
  pod.mutable_metadata()->set_name(name);
  pod.mutable_metadata()->set_uid(name);
  auto* container = pod.mutable_spec()->add_containers();
  for (const auto& [resource, quantity] : requests)
    (*container->mutable_resources()->mutable_requests())[resource].set_string(quantity);
  return pod;
}
void MakeStatic(api::core::Pod& pod) {
  (*pod.mutable_metadata()->mutable_annotations())[api::kConfigSource] = "file";
}

TEST_CASE(
    "under pressure: critical pods, and under memory pressure what is not best effort or bears "
    "it") {
  auto node = kNode;
  auto best_effort = Asks("b", {}), burstable = Asks("u", {{"cpu", "1"}}), critical = Asks("c", {});
  critical.mutable_spec()->set_priority(2000000000);
  auto tolerant = best_effort;
  auto* toleration = tolerant.mutable_spec()->add_tolerations();
  toleration->set_key("node.kubernetes.io/memory-pressure");
  toleration->set_operator_("Exists");
  node.memory_pressure = true;
  CHECK(Message(best_effort, node) == "The node had condition: [MemoryPressure]. ");
  CHECK(Reason(best_effort, node) == "Evicted");
  CHECK(Reason(burstable, node) == "");
  CHECK(Reason(critical, node) == "");
  CHECK(Reason(tolerant, node) == "");
  node.pid_pressure = true;
  CHECK(Message(tolerant, node) == "The node had condition: [MemoryPressure PIDPressure]. ");
  CHECK(Reason(burstable, node) == "Evicted");
  CHECK(Reason(critical, node) == "");
  node.memory_pressure = node.pid_pressure = false;
  node.disk_pressure = true;
  CHECK(Message(burstable, node) == "The node had condition: [DiskPressure]. ");
}

TEST_CASE("resources, in upstream's words and order") {
  CHECK(Reason(Asks("p", {{"cpu", "4"}, {"memory", "1000"}})) == "");
  CHECK(Message(Asks("p", {{"cpu", "4001m"}, {"memory", "1001"}}), kNode) ==
        "Node didn't have enough resource: cpu, requested: 4001, used: 0, capacity: 4000");
  CHECK(Reason(Asks("p", {{"cpu", "4001m"}, {"memory", "1001"}})) == "OutOfcpu");
  CHECK(Reason(Asks("p", {{"memory", "1001"}})) == "OutOfmemory");
  CHECK(Reason(Asks("p", {{"ephemeral-storage", "1"}})) == "OutOfephemeral-storage");
  CHECK(Reason(Asks("p", {{"example.com/gpu", "2"}})) == "");
  CHECK(Reason(Asks("p", {{"example.com/gpu", "3"}})) == "OutOfexample.com/gpu");
  CHECK(Reason(Asks("p", {{"hugepages-2Mi", "4Mi"}})) == "OutOfhugepages-2Mi");
  // Not the node's: somebody else has to know.
  CHECK(Reason(Asks("p", {{"example.com/quota", "3"}})) == "");
  auto elsewhere = Asks("p", {{"cpu", "5"}});
  elsewhere.mutable_spec()->set_node_name("n2");
  CHECK(Reason(elsewhere) == "OutOfcpu");
  auto full = kNode;
  full.allocatable["pods"] = 1;
  auto other = UseOf(Asks("o", {}));
  CHECK(Judge(Asks("p", {}), full, {&other}).rejection->message ==
        "Node didn't have enough resource: pods, requested: 1, used: 1, capacity: 1");
}

TEST_CASE("requests: init containers, sidecars, pod level and overhead") {
  auto pod = Asks("p", {{"cpu", "1"}, {"memory", "100"}});
  auto* sidecar = pod.mutable_spec()->add_init_containers();
  sidecar->set_restart_policy("Always");
  (*sidecar->mutable_resources()->mutable_requests())["cpu"].set_string("500m");
  auto* init = pod.mutable_spec()->add_init_containers();
  (*init->mutable_resources()->mutable_requests())["cpu"].set_string("1200m");
  CHECK(RequestsOf(pod) == Amounts{{"cpu", 1700}, {"memory", 100}, {"pods", 1}});
  (*pod.mutable_spec()->mutable_overhead())["cpu"].set_string("100m");
  CHECK(RequestsOf(pod).at("cpu") == 1800);
  (*pod.mutable_spec()->mutable_resources()->mutable_requests())["cpu"].set_string("3");
  CHECK(RequestsOf(pod).at("cpu") == 3100);
  CHECK(RequestsOf(pod, false).at("cpu") == 1800);
}

TEST_CASE("host ports: the same port and protocol on an address that overlaps") {
  auto with_port = [](const std::string& name, const char* ip, const char* protocol, int port) {
    auto pod = Asks(name, {});
    auto* p = pod.mutable_spec()->mutable_containers(0)->add_ports();
    p->set_host_port(port);
    p->set_host_ip(ip);
    p->set_protocol(protocol);
    return pod;
  };
  auto there = UseOf(with_port("a", "", "", 80)),
       local = UseOf(with_port("b", "127.0.0.1", "TCP", 90));
  auto reason = [&](const api::core::Pod& pod) {
    auto decision = Judge(pod, kNode, {&there, &local});
    return decision.rejection ? decision.rejection->reason : "";
  };
  CHECK(reason(with_port("p", "10.0.0.1", "TCP", 80)) == "NodePorts");
  CHECK(reason(with_port("p", "", "TCP", 80)) == "NodePorts");
  CHECK(reason(with_port("p", "", "UDP", 80)) == "");
  CHECK(reason(with_port("p", "10.0.0.1", "TCP", 90)) == "");
  CHECK(reason(with_port("p", "0.0.0.0", "TCP", 90)) == "NodePorts");
  // An init container's ports are free when the pod runs; a sidecar's are not.
  auto pod = Asks("p", {});
  auto* init = pod.mutable_spec()->add_init_containers();
  init->add_ports()->set_host_port(80);
  CHECK(reason(pod) == "");
  init->set_restart_policy("Always");
  CHECK(reason(pod) == "NodePorts");
}

TEST_CASE("taints: NoExecute that is not tolerated; static pods do not look") {
  auto node = kNode;
  node.taints.resize(2);
  node.taints[0].set_key("a");
  node.taints[0].set_effect("NoSchedule");
  auto pod = Asks("p", {});
  CHECK(Reason(pod, node) == "");
  node.taints[1].set_key("down");
  node.taints[1].set_value("5");
  node.taints[1].set_effect("NoExecute");
  CHECK(Message(pod, node) ==
        "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate");
  auto* toleration = pod.mutable_spec()->add_tolerations();
  toleration->set_key("down");
  CHECK(Reason(pod, node) == "TaintToleration");  // Equal, and the value differs
  toleration->set_value("5");
  CHECK(Reason(pod, node) == "");
  toleration->set_effect("NoSchedule");
  CHECK(Reason(pod, node) == "TaintToleration");
  toleration->clear_effect();
  toleration->set_operator_("Gt");
  toleration->set_value("4");
  CHECK(Reason(pod, node) == "TaintToleration");
  node.numeric_tolerations = true;
  CHECK(Reason(pod, node) == "");
  toleration->set_operator_("Lt");
  CHECK(Reason(pod, node) == "TaintToleration");
  MakeStatic(pod);
  CHECK(Reason(pod, node) == "");
}

TEST_CASE("a static pod is not judged by labels that nobody has told yet") {
  auto node = kNode;
  auto pod = Asks("p", {});
  (*pod.mutable_spec()->mutable_node_selector())["zone"] = "b";
  node.labels_known = false;
  CHECK(Reason(pod, node) == "NodeAffinity");
  MakeStatic(pod);
  CHECK(Reason(pod, node) == "");
  node.labels_known = true;
  CHECK(Reason(pod, node) == "NodeAffinity");
}

TEST_CASE("what the node cannot do") {
  auto node = kNode;
  auto strict = Asks("p", {});
  strict.mutable_spec()->mutable_security_context()->set_supplemental_groups_policy("Strict");
  CHECK(Message(strict, node) == "SupplementalGroupsPolicy=Strict is not supported in this node");
  node.supplemental_groups_policy = true;
  CHECK(Reason(strict, node) == "");

  auto level = Asks("p", {});
  (*level.mutable_spec()->mutable_resources()->mutable_limits())["memory"].set_string("5");
  CHECK(Reason(level, node) == "");
  node.pod_level_resources = false;
  CHECK(Reason(level, node) == "PodLevelResourcesNotSupported");
  CHECK(Message(level, node) == "PodLevelResources feature gate is disabled");

  auto features = Asks("p", {});
  features.mutable_spec()->mutable_containers(0)->add_restart_policy_rules()->set_action(
      "RestartAllContainers");
  features.mutable_spec()->set_host_network(true);
  features.mutable_spec()->set_host_users(false);
  CHECK(Reason(features, node) == "");
  node.declared_features.emplace();
  CHECK(Message(features, node) ==
        "Pod requires node features that are not available: "
        "RestartAllContainersOnContainerExits, UserNamespacesHostNetworkSupport");
  CHECK(Reason(features, node) == "PodFeatureUnsupported");
  node.declared_features = {"RestartAllContainersOnContainerExits",
                            "UserNamespacesHostNetworkSupport"};
  CHECK(Reason(features, node) == "");
  node.shutting_down = true;
  CHECK(Message(features, node) == "Pod was rejected as the node is shutting down.");
  CHECK(Reason(features, node) == "NodeShutdown");
}

TEST_CASE("AppArmor: host support, and a name for a local profile") {
  auto node = kNode;
  auto pod = Asks("p", {});
  auto* profile = pod.mutable_spec()
                      ->mutable_containers(0)
                      ->mutable_security_context()
                      ->mutable_app_armor_profile();
  profile->set_type("Unconfined");
  CHECK(Reason(pod, node) == "");
  profile->set_type("RuntimeDefault");
  CHECK(Message(pod, node) == "Cannot enforce AppArmor: AppArmor is not enabled on the host");
  CHECK(Reason(pod, node) == "AppArmor");
  pod.mutable_status()->set_phase("Running");
  CHECK(Reason(pod, node) == "");
  pod.mutable_status()->set_phase("Pending");
  node.apparmor = true;
  CHECK(Reason(pod, node) == "");
  profile->set_type("Localhost");
  profile->set_localhost_profile(" ");
  CHECK(Reason(pod, node) == "AppArmor");
  profile->set_localhost_profile("p");
  CHECK(Reason(pod, node) == "");
  auto old = Asks("o", {});
  old.mutable_spec()->mutable_containers(0)->set_name("c");
  auto& annotations = *old.mutable_metadata()->mutable_annotations();
  annotations["container.apparmor.security.beta.kubernetes.io/c"] = "localhost/";
  CHECK(Reason(old, node) == "AppArmor");
  annotations["container.apparmor.security.beta.kubernetes.io/c"] = "localhost/p";
  CHECK(Reason(old, node) == "");
  node.apparmor = false;
  CHECK(Reason(old, node) == "AppArmor");
  annotations["container.apparmor.security.beta.kubernetes.io/c"] = "unconfined";
  CHECK(Reason(old, node) == "");
}

TEST_CASE("the first handler that rejects is the one that counts") {
  auto node = kNode;
  node.shutting_down = node.disk_pressure = true;
  node.declared_features.emplace();
  auto pod = Asks("p", {{"cpu", "9"}});
  auto* spec = pod.mutable_spec();
  spec->mutable_security_context()->add_sysctls()->set_name("kernel.msgmax");
  spec->mutable_security_context()->mutable_app_armor_profile()->set_type("RuntimeDefault");
  spec->mutable_os()->set_name("windows");
  spec->mutable_containers(0)->add_restart_policy_rules()->set_action("RestartAllContainers");
  std::vector<std::string> order;
  auto next = [&] { order.push_back(Reason(pod, node)); };
  next();
  node.disk_pressure = false;
  next();
  spec->mutable_security_context()->clear_sysctls();
  next();
  spec->clear_os();
  next();
  node.allocatable["cpu"] = 9000;
  next();
  node.apparmor = true;
  next();
  node.declared_features.reset();
  next();
  CHECK(order == std::vector<std::string>{"Evicted", "SysctlForbidden", "PodOSNotSupported",
                                          "OutOfcpu", "AppArmor", "PodFeatureUnsupported",
                                          "NodeShutdown"});
}

TEST_CASE("metrics know upstream's reasons and count the rest together") {
  CHECK(MetricReason("OutOfcpu") == "OutOfcpu");
  CHECK(MetricReason("OutOfexample.com/gpu") == "OutOfExtendedResources");
  CHECK(MetricReason("NodeAffinity") == "Other");
  CHECK(MetricReason("SysctlForbidden") == "SysctlForbidden");
}

TEST_CASE("devices are reserved between sysctls and predicates, and what is given counts as there") {
  api::core::Pod pod;
  auto& limits = *pod.mutable_spec()->add_containers()->mutable_resources();
  (*limits.mutable_requests())["example.com/gpu"].set_string("3");
  CHECK(Reason(pod) == "OutOfexample.com/gpu");
  NodeFacts node = MakeNode();
  int asked = 0;
  node.devices = [&](const api::core::Pod&, Amounts& allocatable) {
    ++asked;
    allocatable["example.com/gpu"] = 3;
    return std::optional<Rejection>();
  };
  CHECK(Reason(pod, node) == "");
  pod.mutable_spec()->set_node_name("other");
  CHECK(Reason(pod, node) == "NodeName");
  node.devices = [&](const api::core::Pod&, Amounts&) {
    ++asked;
    return std::optional<Rejection>({"UnexpectedAdmissionError", "no device"});
  };
  CHECK(Reason(pod, node) == "UnexpectedAdmissionError");
  CHECK(asked == 3);
  // Not asked for a pod that is refused before.
  pod.mutable_spec()->mutable_security_context()->add_sysctls()->set_name("kernel.nope");
  CHECK(Reason(pod, node) == "SysctlForbidden");
  CHECK(asked == 3);
}

}  // namespace
}  // namespace kubelet::admission
