#include "kubelet/podstore/pod_store.h"

#include "catch.h"
#include "kubelet/api/pod.h"

namespace kubelet::podstore {
namespace {

api::PodPtr MakePod(const std::string& name, const std::string& uid, const std::string& image = "i:1") {
  auto pod = std::make_shared<api::core::Pod>();
  auto* meta = pod->mutable_metadata();
  meta->set_name(name);
  meta->set_namespace_("ns");
  meta->set_uid(uid);
  (*meta->mutable_annotations())[api::kConfigSource] = "file";
  (*meta->mutable_annotations())[api::kConfigHash] = uid;
  auto* container = pod->mutable_spec()->add_containers();
  container->set_name("c");
  container->set_image(image);
  return pod;
}

std::vector<std::string> Uids(const std::vector<api::PodPtr>& pods) {
  std::vector<std::string> uids;
  for (const auto& pod : pods) uids.push_back(pod->metadata().uid());
  return uids;
}

using Strings = std::vector<std::string>;

TEST_CASE("a full set adds, changes and removes") {
  PodStore store({"file"});
  auto changes = store.Apply("file", {MakePod("a", "1"), MakePod("b", "2")}, true);
  CHECK(Uids(changes.added) == Strings{"1", "2"});
  changes = store.Apply("file", {MakePod("a", "1"), MakePod("b", "2", "i:2")}, true);
  CHECK(changes.added.empty());
  CHECK(Uids(changes.updated) == Strings{"2"});
  changes = store.Apply("file", {MakePod("b", "2", "i:2")}, true);
  CHECK(Uids(changes.removed) == Strings{"1"});
  CHECK(changes.updated.empty());
  CHECK_FALSE(store.Wanted("1"));
}

TEST_CASE("the time it was first seen is no change") {
  PodStore store({"file"});
  store.Apply("file", {MakePod("a", "1")}, true);
  auto later = std::make_shared<api::core::Pod>(*MakePod("a", "1"));
  (*later->mutable_metadata()->mutable_annotations())[api::kConfigSeen] = "later";
  CHECK(store.Apply("file", {later}, true).updated.empty());
}

TEST_CASE("an incomplete set removes nothing and does not complete its source") {
  PodStore store({"file", "http"});
  store.Apply("file", {MakePod("a", "1")}, true);
  CHECK(store.Complete("file"));
  CHECK_FALSE(store.AllComplete());
  CHECK(store.Apply("file", {}, false).removed.empty());
  store.Apply("http", {}, false);
  CHECK_FALSE(store.Complete("http"));
  store.Apply("http", {}, true);
  CHECK(store.AllComplete());
}

TEST_CASE("what a source that is not configured once wanted is an orphan only when all others have spoken") {
  PodStore store({"file"});
  CHECK_FALSE(store.Complete("api"));
  store.Apply("file", {}, true);
  CHECK(store.Complete("api"));
}

TEST_CASE("sources do not remove one another's pods") {
  PodStore store({"file", "http"});
  store.Apply("file", {MakePod("a", "1")}, true);
  auto changes = store.Apply("http", {MakePod("b", "2")}, true);
  CHECK(changes.removed.empty());
  CHECK(store.Wanted("1"));
}

TEST_CASE("a second pod of one name or uid is refused") {
  PodStore store({"file", "http"});
  auto changes = store.Apply("file", {MakePod("a", "1"), MakePod("a", "2")}, true);
  CHECK(Uids(changes.added) == Strings{"1"});
  CHECK(changes.conflicts.size() == 1);
  changes = store.Apply("http", {MakePod("z", "1")}, true);
  CHECK(changes.added.empty());
  CHECK(changes.conflicts.size() == 1);
  CHECK(store.Get("1")->metadata().name() == "a");
}

TEST_CASE("an adopted uid stays with the manifest, and goes with it") {
  PodStore store({"file"});
  store.Apply("file", {MakePod("a", "mine")}, true);
  auto adopted = store.Adopt("mine", "theirs");
  REQUIRE(adopted);
  CHECK(adopted->metadata().uid() == "theirs");
  CHECK(api::Annotation(*adopted, api::kConfigHash) == "theirs");
  CHECK(api::Annotation(*adopted, api::kManifestAnnotation) == "mine");
  auto same = store.Apply("file", {MakePod("a", "mine")}, true);
  CHECK(same.added.empty());
  CHECK(same.updated.empty());
  CHECK(same.removed.empty());
  auto edited = store.Apply("file", {MakePod("a", "edited", "i:2")}, true);
  CHECK(Uids(edited.removed) == Strings{"theirs"});
  CHECK(Uids(edited.added) == Strings{"edited"});
}

TEST_CASE("what a change of an API pod is: an update, a status, or nothing at all") {
  struct Row {
    const char* what;
    std::function<void(api::core::Pod&)> edit;
    const char* seen;
  };
  std::vector<Row> rows = {
      {"spec", [](auto& p) { p.mutable_spec()->mutable_containers(0)->set_image("i:2"); }, "updated"},
      {"label", [](auto& p) { (*p.mutable_metadata()->mutable_labels())["a"] = "b"; }, "updated"},
      {"annotation", [](auto& p) { (*p.mutable_metadata()->mutable_annotations())["a"] = "b"; }, "updated"},
      {"annotation gone", [](auto& p) { p.mutable_metadata()->mutable_annotations()->erase("own"); }, "updated"},
      {"deletion", [](auto& p) { p.mutable_metadata()->mutable_deletion_timestamp()->set_seconds(1); }, "updated"},
      {"grace", [](auto& p) { p.mutable_metadata()->set_deletion_grace_period_seconds(1); }, "updated"},
      {"generation", [](auto& p) { p.mutable_metadata()->set_generation(2); }, "updated"},
      {"status", [](auto& p) { p.mutable_status()->set_phase("Running"); }, "reconciled"},
      {"seen", [](auto& p) { (*p.mutable_metadata()->mutable_annotations())[api::kConfigSeen] = "now"; }, ""},
      {"version", [](auto& p) { p.mutable_metadata()->set_resource_version("2"); }, ""},
  };
  auto first = std::make_shared<api::core::Pod>(*MakePod("a", "1"));
  (*first->mutable_metadata()->mutable_annotations())[api::kConfigSource] = "api";
  (*first->mutable_metadata()->mutable_annotations())["own"] = "x";
  for (const auto& row : rows) {
    INFO(row.what);
    PodStore store({"api"});
    store.Apply("api", {first}, true);
    auto next = std::make_shared<api::core::Pod>(*first);
    row.edit(*next);
    auto changes = store.Apply("api", {next}, true);
    CHECK(changes.updated.size() == (std::string(row.seen) == "updated" ? 1 : 0));
    CHECK(changes.reconciled.size() == (std::string(row.seen) == "reconciled" ? 1 : 0));
    CHECK(changes.added.empty());
    CHECK(changes.removed.empty());
    CHECK(store.Get("1") == next);  // the newest is kept in any case
  }
}

}  // namespace
}  // namespace kubelet::podstore
