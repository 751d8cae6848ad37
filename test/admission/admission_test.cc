#include "kubelet/admission/admission.h"

#include "catch.h"

namespace kubelet::admission {
namespace {

const NodeFacts kNode{"n1", {{"kubernetes.io/os", "linux"}, {"zone", "a"}, {"cores", "8"}}};

std::string Reason(const api::core::Pod& pod) {
  auto rejection = Admit(pod, kNode);
  return rejection ? rejection->reason : "";
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

void Add(api::core::NodeSelectorRequirement* out, const Want& want) {
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
  Add(required->add_node_selector_terms()->add_match_expressions(), row.want);
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
  Add(term->add_match_fields(), {"metadata.name", "In", {"n1"}});  // as DaemonSets do
  CHECK(MatchesNode(pod, kNode));
  Add(term->add_match_expressions(), {"zone", "In", {"b"}});
  CHECK_FALSE(MatchesNode(pod, kNode));
}

}  // namespace
}  // namespace kubelet::admission
