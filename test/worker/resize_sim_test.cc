// A manifest edited in CPU or memory is the pod that runs, resized; anything else makes another pod.
#include "catch.h"
#include "fakes/node_sim.h"
#include "fakes/pods.h"
#include "kubelet/api/pod.h"
#include "kubelet/api/quantity.h"

namespace kubelet::test {
namespace {

using namespace std::chrono_literals;

api::PodPtr Sized(const char* uid, const char* cpu, const char* image = "image:1", bool guaranteed = false) {
  PodSpec want;
  want.uid = uid;
  want.image = image;
  auto pod = std::make_shared<api::core::Pod>(*MakePod(want));
  (*pod->mutable_metadata()->mutable_annotations())[api::kManifestAnnotation] = std::string("manifest of ") + uid;
  auto& resources = *pod->mutable_spec()->mutable_containers(0)->mutable_resources();
  (*resources.mutable_requests())["cpu"].set_string(cpu);
  (*resources.mutable_requests())["memory"].set_string("64Mi");
  if (guaranteed) *resources.mutable_limits() = resources.requests();
  return pod;
}

std::string RequestOf(Kubelet& kubelet, const char* uid) {
  auto pod = kubelet.store->Get(uid);
  return pod ? pod->spec().containers(0).resources().requests().at("cpu").string() : "no pod";
}

TEST_CASE("a static pod whose CPU is edited goes on under its uid, also over restarts of the kubelet") {
  World world;
  {
    Kubelet kubelet(world);
    kubelet.Snapshot({Sized("u1", "100m")});
    kubelet.Snapshot({Sized("u2", "200m")});
    world.Advance(1s);
    CHECK(RequestOf(kubelet, "u1") == "200m");
    CHECK(kubelet.store->All().size() == 1);
    // kubeadm waits for the hash of the mirror to change.
    CHECK(api::Annotation(*kubelet.store->Get("u1"), api::kConfigHash) == "u2");
    kubelet.Snapshot({Sized("u1", "100m")});
    CHECK(RequestOf(kubelet, "u1") == "100m");
    CHECK(api::Annotation(*kubelet.store->Get("u1"), api::kConfigHash) == "u1");
    kubelet.Snapshot({Sized("u3", "300m")});
    kubelet.client.CutAfter(0);
  }
  {
    Kubelet kubelet(world);
    kubelet.Snapshot({Sized("u3", "300m")});
    world.Advance(1s);
    CHECK(RequestOf(kubelet, "u1") == "300m");
    CHECK(api::Annotation(*kubelet.store->Get("u1"), api::kConfigHash) == "u3");
    kubelet.client.CutAfter(0);
  }
  // Edited while no kubelet ran.
  Kubelet kubelet(world);
  kubelet.Snapshot({Sized("u4", "400m")});
  world.Advance(1s);
  CHECK(RequestOf(kubelet, "u1") == "400m");
  CHECK(world.runtime.Starts("web", "c") == 1);
  CHECK(world.runtime.ReadySandboxes("web") == 1);
  CHECK(world.runtime.Breaches() == std::vector<std::string>{});
  kubelet.Snapshot({});
  world.Advance(1s);
  CHECK(world.runtime.Size() == 0);
}

TEST_CASE("a manifest that gives its uid is a pod of its own, however like it is to the one that runs") {
  World world;
  {
    Kubelet kubelet(world);
    kubelet.Snapshot({Sized("u1", "100m")});
    world.Advance(1s);
    kubelet.client.CutAfter(0);
  }
  auto pod = std::make_shared<api::core::Pod>(*Sized("mine", "200m"));
  pod->mutable_metadata()->mutable_annotations()->erase(api::kManifestAnnotation);
  Kubelet kubelet(world);
  kubelet.Snapshot({pod});
  world.Advance(1min);
  CHECK(kubelet.store->Get("u1") == nullptr);
  CHECK(RequestOf(kubelet, "mine") == "200m");
  CHECK(world.runtime.ReadySandboxes("web") == 1);
}

TEST_CASE("an edit that is more than a resize makes another pod") {
  World world;
  Kubelet kubelet(world);
  kubelet.Snapshot({Sized("u1", "100m")});
  SECTION("another image") { kubelet.Snapshot({Sized("u2", "200m", "image:2")}); }
  SECTION("another uid, which the manifest gives") {
    auto pod = std::make_shared<api::core::Pod>(*Sized("u2", "200m"));
    pod->mutable_metadata()->mutable_annotations()->erase(api::kManifestAnnotation);
    kubelet.Snapshot({pod});
  }
  SECTION("another QoS class") { kubelet.Snapshot({Sized("u2", "100m", "image:1", true)}); }
  SECTION("a request taken away") {
    auto pod = std::make_shared<api::core::Pod>(*Sized("u2", "100m"));
    pod->mutable_spec()->mutable_containers(0)->mutable_resources()->mutable_requests()->erase("memory");
    kubelet.Snapshot({pod});
  }
  world.Advance(1min);
  CHECK(kubelet.store->Get("u1") == nullptr);
  CHECK(world.runtime.Starts("web", "c") == 2);
}

}  // namespace
}  // namespace kubelet::test
