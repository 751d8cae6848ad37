#include "kubelet/resource/topology_manager.h"

#include "catch.h"
#include "kubelet/base/clock.h"
#include "kubelet/base/status.h"
#include "resource/pod_yaml.h"

namespace kubelet::resource {
namespace {

TopologyHint Hint(uint64_t nodes, bool preferred) { return {NumaMask::FromBits(nodes), preferred}; }
using List = std::vector<TopologyHint>;

std::vector<os::NumaNode> Nodes(int count) {
  std::vector<os::NumaNode> nodes;
  for (int i = 0; i < count; ++i) nodes.push_back({i, 0, {}, {}});
  return nodes;
}

std::string Choice(TopologyPolicy policy, const std::vector<HintsByResource>& hints,
                   int nodes = 2) {
  TopologyManagerOptions options;
  options.policy = policy;
  auto choice = ChoosePlace(hints, options, Nodes(nodes));
  return (choice.place.nodes ? std::to_string(choice.place.nodes->bits()) : "anywhere") +
         (choice.place.preferred ? "+" : "") + (choice.admit ? "" : " refused");
}

constexpr auto kBest = TopologyPolicy::kBestEffort;
constexpr auto kRestricted = TopologyPolicy::kRestricted;
constexpr auto kSingle = TopologyPolicy::kSingleNumaNode;

TEST_CASE("subsets of nodes, small ones first") {
  std::vector<uint64_t> bits;
  for (auto mask : Subsets({0, 1, 3})) bits.push_back(mask.bits());
  CHECK(bits == std::vector<uint64_t>{1, 2, 8, 3, 9, 10, 11});
  CHECK(Subsets({}).empty());
  // By their nodes, not by their bits.
  auto four = Subsets({0, 1, 2, 3});
  CHECK(four[6].bits() == 9);
  CHECK(four[7].bits() == 6);
  CHECK(NumaMask::FromBits(10).Nodes() == std::vector<int>{1, 3});
}

TEST_CASE("nobody who minds leaves every place open") {
  for (auto hints : {std::vector<HintsByResource>{}, std::vector<HintsByResource>{{}},
                     std::vector<HintsByResource>{{{"a", std::nullopt}}}}) {
    CHECK(Choice(kBest, hints) == "3+");
    CHECK(Choice(kRestricted, hints) == "3+");
    CHECK(Choice(kSingle, hints) == "anywhere+");
  }
}

TEST_CASE("a resource without a place") {
  std::vector<HintsByResource> hints = {{{"a", List{}}}, {{"b", List{Hint(1, true)}}}};
  CHECK(Choice(kBest, hints) == "1");
  CHECK(Choice(kRestricted, hints) == "1 refused");
  CHECK(Choice(kSingle, hints) == "anywhere refused");
}

TEST_CASE("the narrowest preferred place that all share") {
  std::vector<HintsByResource> hints = {{{"a", List{Hint(1, true), Hint(2, true), Hint(3, false)}}},
                                        {{"b", List{Hint(2, true), Hint(3, false)}}}};
  for (auto policy : {kBest, kRestricted, kSingle}) CHECK(Choice(policy, hints) == "2+");
}

TEST_CASE("places that differ are nobody's preference") {
  std::vector<HintsByResource> hints = {{{"a", List{Hint(1, true), Hint(3, false)}}},
                                        {{"b", List{Hint(2, true), Hint(3, false)}}}};
  CHECK(Choice(kBest, hints) == "1");
  CHECK(Choice(kRestricted, hints) == "1 refused");
  CHECK(Choice(kSingle, hints) == "anywhere refused");
}

TEST_CASE("two nodes where one cannot do: restricted lets it in, single does not") {
  std::vector<HintsByResource> hints = {{{"a", List{Hint(3, true)}}}};
  CHECK(Choice(kRestricted, hints) == "3+");
  CHECK(Choice(kSingle, hints) == "anywhere refused");
}

TEST_CASE("without a preferred place as many nodes as the neediest takes") {
  // a would be content with one node, b needs two of them.
  std::vector<HintsByResource> hints = {
      {{"a", List{Hint(1, true), Hint(2, true), Hint(3, false), Hint(7, false)}}},
      {{"b", List{Hint(6, false), Hint(7, false)}}}};
  CHECK(Choice(kBest, hints, 3) == "3");
}

TEST_CASE("prefer-closest-numa-nodes") {
  TopologyManagerOptions options;
  options.policy = kBest;
  auto nodes = Nodes(3);
  nodes[0].distances = {10, 30, 12};
  nodes[1].distances = {30, 10, 30};
  nodes[2].distances = {12, 30, 10};
  std::vector<HintsByResource> hints = {{{"a", List{Hint(3, true), Hint(5, true), Hint(6, true)}}}};
  CHECK(ChoosePlace(hints, options, nodes).place == Hint(3, true));
  options.prefer_closest = true;
  CHECK(ChoosePlace(hints, options, nodes).place == Hint(5, true));
}

// Has one of something on each node.
class OneEach : public HintProvider {
 public:
  HintsByResource ContainerHints(const api::core::Pod& pod, const api::core::Container&) override {
    return PodHints(pod);
  }
  HintsByResource PodHints(const api::core::Pod&) override {
    List list;
    for (int node : {0, 1}) {
      if (!taken.contains(node)) list.push_back({NumaMask::Of(node), true});
    }
    return {{"one", std::move(list)}};
  }
  absl::Status Allocate(const api::core::Pod&, const api::core::Container& container,
                        const TopologyHint& place) override {
    log += container.name() + "@" + (place.nodes ? std::to_string(place.nodes->bits()) : "-") + " ";
    if (fail) return absl::FailedPreconditionError("nothing is left");
    if (typed) return TypedRefusal("Special", "so it is");
    if (place.nodes && scope_container) taken.insert(place.nodes->Nodes()[0]);
    return absl::OkStatus();
  }
  void Release(const std::string& uid) override { log += "-" + uid; }
  std::set<int> taken;
  std::string log;
  bool fail = false, typed = false, scope_container = true;
};

struct TopologyManagerFixture {
  base::ManualClock clock;
  OneEach provider;
  TopologyManagerOptions options;
  api::core::Pod pod =
      test::PodOf("initContainers: [{name: i, image: i}]\ncontainers: [{name: c, image: i}]", "u");

  std::optional<Refusal> Admit() {
    auto manager = TopologyManager::Create(options, Nodes(2), {clock});
    REQUIRE(manager.ok());
    (*manager)->Add(provider);
    return (*manager)->Admit(pod);
  }
};

TEST_CASE("scope container: each container has its place, scope pod: all the same") {
  TopologyManagerFixture f;
  f.options.policy = kSingle;
  CHECK_FALSE(f.Admit());
  CHECK(f.provider.log == "i@1 c@2 ");
  f.provider = {};
  f.provider.scope_container = false;
  f.options.pod_scope = true;
  CHECK_FALSE(f.Admit());
  CHECK(f.provider.log == "i@1 c@1 ");
}

TEST_CASE("policy none asks for no place") {
  TopologyManagerFixture f;
  f.provider.taken = {0, 1};
  CHECK_FALSE(f.Admit());
  CHECK(f.provider.log == "i@- c@- ");
}

TEST_CASE("refusals, after which nothing is kept") {
  TopologyManagerFixture f;
  f.options.policy = kRestricted;
  f.provider.taken = {0};
  auto refusal = f.Admit();
  REQUIRE(refusal);
  CHECK(refusal->reason == "TopologyAffinityError");
  CHECK(refusal->message == "Resources cannot be allocated with Topology locality");
  CHECK(f.provider.log == "i@2 -u");
  f.options.policy = TopologyPolicy::kNone;
  f.provider = {};
  f.provider.fail = true;
  refusal = f.Admit();
  CHECK(refusal->reason == "UnexpectedAdmissionError");
  CHECK(refusal->message == "Allocate failed due to nothing is left, which is unexpected");
  f.provider = {};
  f.provider.typed = true;
  refusal = f.Admit();
  CHECK(refusal->reason == "Special");
  CHECK(refusal->message == "so it is");
}

TEST_CASE("a pod that ran before keeps its place whatever the policy says") {
  TopologyManagerFixture f;
  f.options.policy = kSingle;
  f.provider.taken = {0, 1};
  f.provider.fail = true;
  auto manager = TopologyManager::Create(f.options, Nodes(2), {f.clock});
  (*manager)->Add(f.provider);
  (*manager)->Restore(f.pod);
  CHECK(f.provider.log == "i@- c@- ");
}

TEST_CASE("machines that a policy cannot handle") {
  base::ManualClock clock;
  TopologyManagerOptions options;
  options.policy = kBest;
  auto why = [&](int nodes) {
    return base::Message(TopologyManager::Create(options, Nodes(nodes), {clock}).status());
  };
  CHECK(why(9).find("more than 8 NUMA nodes") != std::string::npos);
  options.max_nodes = 9;
  CHECK(TopologyManager::Create(options, Nodes(9), {clock}).ok());
  options.prefer_closest = true;
  CHECK(why(2).find("the distances of NUMA node 0") != std::string::npos);
  options.policy = TopologyPolicy::kNone;
  CHECK(TopologyManager::Create(options, Nodes(64), {clock}).ok());
}

}  // namespace
}  // namespace kubelet::resource
