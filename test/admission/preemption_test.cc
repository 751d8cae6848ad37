#include "kubelet/admission/preemption.h"

#include <algorithm>
#include <random>
#include <set>

#include "catch.h"

namespace kubelet::admission {
namespace {

using Strings = std::vector<std::string>;
using api::QosClass;

PodUse Pod(const std::string& uid, QosClass qos, int64_t cpu, int64_t memory = 0) {
  PodUse use;
  use.uid = uid;
  use.qos = qos;
  use.requests = {{"pods", 1}, {"cpu", cpu}, {"memory", memory}};
  return use;
}

PodUse Critical() {
  PodUse use = Pod("critical", QosClass::kBurstable, 0);
  use.critical = true;
  return use;
}

std::vector<const PodUse*> Pointers(const std::vector<PodUse>& pods) {
  std::vector<const PodUse*> out;
  for (const auto& pod : pods) out.push_back(&pod);
  return out;
}

Strings Victims(const std::vector<PodUse>& pods, const std::vector<Insufficient>& missing) {
  auto chosen = ChooseVictims(Critical(), Pointers(pods), missing);
  REQUIRE(chosen.ok());
  std::sort(chosen->begin(), chosen->end());
  return *chosen;
}

Insufficient Lack(const std::string& resource, int64_t amount) { return {resource, amount, 0, 0}; }

constexpr auto kG = QosClass::kGuaranteed;
constexpr auto kU = QosClass::kBurstable;
constexpr auto kB = QosClass::kBestEffort;

TEST_CASE("who is preempted") {
  // Best effort pods free nothing but a place.
  std::vector<PodUse> pods = {Pod("b", kB, 0), Pod("u1", kU, 100, 100), Pod("u2", kU, 300, 150),
                              Pod("g1", kG, 100, 100), Pod("g2", kG, 800, 800)};
  CHECK(Victims(pods, {Lack("cpu", 100)}) == Strings{"u1"});
  CHECK(Victims(pods, {Lack("cpu", 101)}) == Strings{"u2"});
  CHECK(Victims(pods, {Lack("cpu", 400)}) == Strings{"u1", "u2"});
  CHECK(Victims(pods, {Lack("cpu", 450)}) == Strings{"g1", "u1", "u2"});
  CHECK(Victims(pods, {Lack("cpu", 600)}) == Strings{"g2"});
  CHECK(Victims(pods, {Lack("memory", 300)}) == Strings{"g1", "u1", "u2"});
  CHECK(Victims(pods, {Lack("pods", 1)}) == Strings{"b"});
  CHECK(Victims(pods, {Lack("pods", 1), Lack("cpu", 50)}) == Strings{"u1"});
  CHECK(Victims(pods, {}).empty());
}

TEST_CASE("of two that serve equally well the smaller, the less important, the younger") {
  std::vector<PodUse> pods = {Pod("a", kU, 200, 300), Pod("b", kU, 250, 200)};
  CHECK(Victims(pods, {Lack("cpu", 200)}) == Strings{"b"});
  pods[0] = Pod("a", kU, 250, 200);
  pods[0].priority = 5;
  CHECK(Victims(pods, {Lack("cpu", 200)}) == Strings{"b"});
  pods[1].priority = 9;
  CHECK(Victims(pods, {Lack("cpu", 200)}) == Strings{"a"});
  pods[1].priority = 5;
  pods[0].created = 10;
  pods[1].created = 20;
  CHECK(Victims(pods, {Lack("cpu", 200)}) == Strings{"b"});
}

TEST_CASE("when all together are not enough nobody is preempted") {
  std::vector<PodUse> pods = {Pod("u", kU, 100), Pod("s", kU, 900)};
  pods[1].critical = true;
  auto chosen = ChooseVictims(Critical(), Pointers(pods), {Lack("cpu", 300), Lack("pods", 1)});
  CHECK(
      chosen.status().message() ==
      "preemption: error finding a set of pods to preempt: no set of running pods found to reclaim "
      "resources: [(res: cpu, q: 200), ]");
}

TEST_CASE("a critical pod yields only to a higher priority") {
  PodUse low = Critical(), high = Critical(), plain = Pod("p", kU, 1);
  low.priority = 2000000000;
  high.priority = 2000001000;
  CHECK(MayPreempt(high, low));
  CHECK_FALSE(MayPreempt(low, high));
  CHECK_FALSE(MayPreempt(low, low));
  CHECK_FALSE(MayPreempt(Critical(), low));  // a static pod without priority
  CHECK(MayPreempt(Critical(), plain));
  CHECK_FALSE(MayPreempt(plain, plain));
}

int64_t Freed(const std::vector<PodUse>& pods, const std::set<std::string>& victims,
              const std::string& resource) {
  int64_t sum = 0;
  for (const auto& pod : pods)
    if (victims.count(pod.uid) > 0) sum += pod.requests.at(resource);
  return sum;
}

TEST_CASE("random nodes: the victims are enough, and none of them is superfluous") {
  std::mt19937 random(GENERATE(range(0, 200)));
  auto number = [&](int from, int to) {
    return std::uniform_int_distribution<int>(from, to)(random);
  };
  std::vector<PodUse> pods;
  int count = number(1, 12);
  for (int i = 0; i < count; ++i) {
    pods.push_back(Pod("p" + std::to_string(i), static_cast<QosClass>(number(0, 2)), number(0, 9),
                       number(0, 9)));
    pods.back().critical = number(0, 5) == 0;
  }
  std::vector<Insufficient> missing = {Lack("pods", number(0, 3)), Lack("cpu", number(1, 20)),
                                       Lack("memory", number(1, 20))};
  auto chosen = ChooseVictims(Critical(), Pointers(pods), missing);
  std::set<std::string> preemptable;
  for (const auto& pod : pods)
    if (!pod.critical) preemptable.insert(pod.uid);
  auto enough = [&](const std::set<std::string>& victims) {
    return std::all_of(missing.begin(), missing.end(), [&](const Insufficient& lack) {
      return Freed(pods, victims, lack.resource) >= lack.Missing();
    });
  };
  REQUIRE(chosen.ok() == enough(preemptable));
  if (!chosen.ok()) return;
  std::set<std::string> victims(chosen->begin(), chosen->end());
  CHECK(victims.size() == chosen->size());
  CHECK(std::includes(preemptable.begin(), preemptable.end(), victims.begin(), victims.end()));
  CHECK(enough(victims));
  for (const auto& spared : victims) {
    auto fewer = victims;
    fewer.erase(spared);
    INFO(spared);
    CHECK_FALSE(enough(fewer));
  }
}

// A node over time: pods come, judged one by one, and go.
TEST_CASE("random days: the admitted pods never ask for more than there is") {
  std::mt19937 random(GENERATE(range(0, 60)));
  auto number = [&](int from, int to) {
    return std::uniform_int_distribution<int>(from, to)(random);
  };
  NodeFacts node;
  node.name = "n";
  node.allocatable = {{"cpu", 4000}, {"memory", 4000}, {"pods", 8}};
  std::map<std::string, PodUse> admitted;
  int rejected = 0, preempted = 0;
  for (int i = 0; i < 200; ++i) {
    api::core::Pod pod;
    pod.mutable_metadata()->set_uid("p" + std::to_string(i));
    auto& requests = *pod.mutable_spec()->add_containers()->mutable_resources()->mutable_requests();
    if (number(0, 3) > 0) requests["cpu"].set_string(std::to_string(number(0, 2500)) + "m");
    if (number(0, 3) > 0) requests["memory"].set_string(std::to_string(number(0, 2500)));
    if (number(0, 7) == 0) pod.mutable_spec()->set_priority(2000000000 + number(0, 2));
    std::vector<const PodUse*> others;
    for (const auto& [uid, use] : admitted) others.push_back(&use);
    auto decision = Judge(pod, node, others);
    for (const auto& victim : decision.preempt) {
      REQUIRE(admitted.erase(victim) == 1);
      ++preempted;
    }
    if (decision.rejection) {
      ++rejected;
      CHECK(decision.preempt.empty());
    } else {
      admitted[pod.metadata().uid()] = UseOf(pod);
    }
    Amounts used;
    for (const auto& [uid, use] : admitted) Add(use.requests, used);
    for (const auto& [name, amount] : used) {
      INFO(name);
      CHECK(amount <= node.allocatable[name]);
    }
    if (number(0, 2) == 0 && !admitted.empty())
      admitted.erase(std::next(admitted.begin(), number(0, static_cast<int>(admitted.size()) - 1)));
  }
  CHECK(rejected > 0);
  CHECK(preempted > 0);
}

}  // namespace
}  // namespace kubelet::admission
