#include "source/api_pods.h"

#include "catch.h"
#include "kubelet/api/pod.h"

namespace kubelet::source {
namespace {

using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

ApiPods::MutablePod MakePod(const std::string& name, const std::string& uid,
                            const std::string& version, bool mirror = false) {
  auto pod = std::make_shared<api::core::Pod>();
  auto* meta = pod->mutable_metadata();
  meta->set_name(name);
  meta->set_namespace_("ns");
  meta->set_uid(uid);
  meta->set_resource_version(version);
  meta->add_managed_fields()->set_manager("kubectl");
  if (mirror) (*meta->mutable_annotations())[api::kConfigMirror] = "hash";
  return pod;
}

Strings Uids(const std::vector<api::PodPtr>& pods) {
  Strings uids;
  for (const auto& pod : pods) uids.push_back(pod->metadata().uid());
  return uids;
}

struct Rig {
  base::ManualClock clock;
  ApiPods pods{clock};
};

TEST_CASE("a pod gets its annotations once, and loses its managed fields") {
  Rig rig;
  rig.pods.Replace({MakePod("a", "1", "10")});
  auto first = rig.pods.Pods().at(0);
  CHECK(api::Annotation(*first, api::kConfigSource) == "api");
  CHECK_FALSE(api::IsStatic(*first));
  CHECK(first->metadata().managed_fields().empty());
  CHECK(first->metadata().uid() == "1");
  std::string seen = api::Annotation(*first, api::kConfigSeen);
  CHECK(seen == base::Rfc3339Nano(rig.clock.Now()));
  rig.clock.Advance(10s);
  rig.pods.Set(MakePod("a", "1", "11"));
  CHECK(api::Annotation(*rig.pods.Pods().at(0), api::kConfigSeen) == seen);
  rig.pods.Set(MakePod("a", "2", "12"));  // another pod of that name
  CHECK(api::Annotation(*rig.pods.Pods().at(0), api::kConfigSeen) != seen);
}

TEST_CASE("objects are handed on, not copied") {
  Rig rig;
  auto a = MakePod("a", "1", "10");
  rig.pods.Replace({a, MakePod("b", "2", "10")});
  auto b = rig.pods.Pods().at(1);
  CHECK(rig.pods.Pods().at(0) == a);
  rig.pods.Set(MakePod("a", "1", "11"));
  CHECK(rig.pods.Pods().at(0) != a);
  CHECK(rig.pods.Pods().at(1) == b);
  // A relist brings new objects of what is known; the old ones stay.
  rig.pods.Replace({MakePod("a", "1", "12"), MakePod("b", "2", "10")});
  CHECK(rig.pods.Pods().at(1) == b);
}

TEST_CASE("a pod that is to end sooner than before is told of") {
  Rig rig;
  auto deleted = [](const std::string& uid, int64_t grace) {
    auto pod = MakePod("a", uid, "11");
    pod->mutable_metadata()->mutable_deletion_timestamp()->set_seconds(1000);
    pod->mutable_metadata()->set_deletion_grace_period_seconds(grace);
    return pod;
  };
  auto pod = MakePod("a", "1", "10");
  pod->mutable_spec()->set_termination_grace_period_seconds(40);
  rig.pods.Replace({pod});
  CHECK_FALSE(rig.pods.TakeSooner());
  rig.pods.Set(deleted("1", 40));  // as it is wont to be: nothing that cannot wait
  CHECK_FALSE(rig.pods.TakeSooner());
  rig.pods.Set(deleted("1", 5));
  CHECK(rig.pods.TakeSooner());
  CHECK_FALSE(rig.pods.TakeSooner());
  rig.pods.Set(deleted("1", 5));
  CHECK_FALSE(rig.pods.TakeSooner());
  rig.pods.Set(deleted("2", 0));  // another pod
  CHECK_FALSE(rig.pods.TakeSooner());
}

TEST_CASE("mirror pods are kept apart") {
  Rig rig;
  CHECK_FALSE(rig.pods.listed());
  rig.pods.Replace({});
  CHECK(rig.pods.listed());
  CHECK(rig.pods.TakePodsChanged());  // an empty first list is news too
  CHECK(rig.pods.TakeMirrorsChanged());
  rig.pods.Set(MakePod("m", "1", "10", true));
  CHECK_FALSE(rig.pods.TakePodsChanged());
  CHECK(rig.pods.TakeMirrorsChanged());
  CHECK(Uids(rig.pods.Mirrors()) == Strings{"1"});
  CHECK(rig.pods.Pods().empty());
  rig.pods.Set(MakePod("m", "2", "11"));  // deleted and made again as an ordinary pod
  CHECK(rig.pods.TakePodsChanged());
  CHECK(rig.pods.TakeMirrorsChanged());
  CHECK(rig.pods.Mirrors().empty());
}

TEST_CASE("a relist that changes nothing is no news; what it lacks is gone") {
  Rig rig;
  rig.pods.Replace({MakePod("a", "1", "10"), MakePod("m", "2", "10", true)});
  rig.pods.TakePodsChanged();
  rig.pods.TakeMirrorsChanged();
  rig.pods.Replace({MakePod("a", "1", "10"), MakePod("m", "2", "10", true)});
  CHECK_FALSE(rig.pods.TakePodsChanged());
  CHECK_FALSE(rig.pods.TakeMirrorsChanged());
  rig.pods.Replace({MakePod("m", "2", "10", true)});
  CHECK(rig.pods.TakePodsChanged());
  CHECK_FALSE(rig.pods.TakeMirrorsChanged());
  CHECK(rig.pods.Pods().empty());
}

TEST_CASE("a late removal does not take away the next pod of that name") {
  Rig rig;
  rig.pods.Replace({MakePod("a", "1", "10")});
  rig.pods.Set(MakePod("a", "2", "12"));
  CHECK(rig.pods.Remove(*MakePod("a", "1", "11")) == nullptr);
  CHECK(Uids(rig.pods.Pods()) == Strings{"2"});
  CHECK(rig.pods.Remove(*MakePod("a", "2", "13")) != nullptr);
  CHECK(rig.pods.Pods().empty());
  CHECK(rig.pods.TakePodsChanged());
}

}  // namespace
}  // namespace kubelet::source
