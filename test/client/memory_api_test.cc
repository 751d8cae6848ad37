#include "fakes/memory_api.h"

#include "catch.h"
#include "client/loop.h"

namespace kubelet::client {
namespace {

using namespace std::chrono_literals;
namespace core = api::core;

struct MemoryApiFixture : test::ApiLoop {
  std::string VersionOf(const std::string& name) {
    return api.Find<core::Pod>({kPods, "default", name})->metadata().resource_version();
  }
  absl::Status Patch(const std::string& name, const std::string& patch,
                     const std::string& subresource = "") {
    Call call;
    call.verb = Call::Verb::kPatch;
    call.path = {kPods, "default", name, subresource};
    call.patch = patch;
    return Do(call);
  }
  absl::Status Delete(const std::string& name, int64_t grace, const std::string& uid = "") {
    Call call;
    call.verb = Call::Verb::kDelete;
    call.path = {kPods, "default", name};
    auto options = std::make_shared<api::meta::DeleteOptions>();
    if (grace >= 0) options->set_grace_period_seconds(grace);
    if (!uid.empty()) options->mutable_preconditions()->set_uid(uid);
    call.body = options;
    return Do(call);
  }
};

TEST_CASE("memory api: create, conflict, status subresource") {
  MemoryApiFixture f;
  auto pod = std::make_shared<core::Pod>(test::PodNamed("a", "n1"));
  pod->mutable_status()->set_phase("Running");
  Call create;
  create.verb = Call::Verb::kCreate;
  create.path = {kPods, "default"};
  create.body = pod;
  core::Pod made;
  REQUIRE(f.Do(create, &made).ok());
  CHECK(made.status().phase() == "Pending");
  CHECK(made.metadata().generation() == 1);
  CHECK(f.Do(create).code() == absl::StatusCode::kAlreadyExists);

  REQUIRE(
      f.Patch("a",
              R"({"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}})",
              "status")
          .ok());
  auto stored = f.api.Find<core::Pod>({kPods, "default", "a"});
  CHECK(stored->status().phase() == "Running");
  CHECK(stored->metadata().generation() == 1);
  std::string before = f.VersionOf("a");
  REQUIRE(
      f.Patch(
           "a",
           R"({"status":{"conditions":[{"type":"Ready","status":"False"},{"type":"X","status":"True"}]}})",
           "status")
          .ok());
  CHECK(f.VersionOf("a") != before);
  CHECK(f.api.Find<core::Pod>({kPods, "default", "a"})->status().conditions_size() == 2);
  // Nothing changes: no new version. The status does not change through the main resource.
  before = f.VersionOf("a");
  REQUIRE(f.Patch("a", R"({"status":{"phase":"Failed"}})").ok());
  CHECK(f.VersionOf("a") == before);
  // Another pod of that name.
  CHECK(f.Patch("a", R"({"metadata":{"uid":"other"}})", "status").code() ==
        absl::StatusCode::kAborted);

  Call update;
  update.verb = Call::Verb::kUpdate;
  update.path = {kPods, "default", "a"};
  update.body = std::make_shared<core::Pod>(made);  // an old version
  CHECK(f.Do(update).code() == absl::StatusCode::kAborted);
}

TEST_CASE("memory api: a pod on a node is deleted in two steps") {
  MemoryApiFixture f;
  f.api.Put({kPods, "default"}, test::PodNamed("a", "n1"));
  f.api.Put({kPods, "default"}, test::PodNamed("free", ""));
  REQUIRE(f.Delete("free", -1).ok());
  CHECK_FALSE(f.api.FindMessage({kPods, "default", "free"}));

  REQUIRE(f.Delete("a", -1).ok());
  auto pod = f.api.Find<core::Pod>({kPods, "default", "a"});
  REQUIRE(pod);
  CHECK(pod->metadata().deletion_grace_period_seconds() == 30);
  CHECK(f.Delete("a", 0, "other").code() == absl::StatusCode::kAborted);
  REQUIRE(f.Delete("a", 5).ok());
  CHECK(
      f.api.Find<core::Pod>({kPods, "default", "a"})->metadata().deletion_grace_period_seconds() ==
      5);
  REQUIRE(f.Delete("a", 0, pod->metadata().uid()).ok());
  CHECK_FALSE(f.api.FindMessage({kPods, "default", "a"}));
  CHECK(f.Delete("a", 0).code() == absl::StatusCode::kNotFound);
}

TEST_CASE("memory api: faults") {
  MemoryApiFixture f;
  f.api.Put({kPods, "default"}, test::PodNamed("a", "n1"));
  Call get;
  get.path = {kPods, "default", "a"};
  get.timeout = 10s;
  f.api.Fail("GET", "/pods/a", ToStatus({500, "InternalError", "", {}}));
  CHECK(f.Do(get).code() == absl::StatusCode::kUnavailable);
  CHECK(f.Do(get).ok());
  f.api.Hold("GET", "");
  auto pending = f.Begin(get);
  f.Advance(9s);
  CHECK_FALSE(*pending);
  f.Advance(2s);
  REQUIRE(*pending);
  CHECK((*pending)->code() == absl::StatusCode::kDeadlineExceeded);
  pending = f.Begin(get);
  f.api.Release();
  f.Run();
  REQUIRE(*pending);
  CHECK((*pending)->ok());
  f.api.Down();
  auto refused = f.Do(get);
  CHECK(refused.code() == absl::StatusCode::kUnavailable);
  CHECK_FALSE(ErrorOf(refused));
  f.api.Up();
  CHECK(f.Do(get).ok());
  CHECK(f.api.Count("GET", "/pods/a") == 6);
}

}  // namespace
}  // namespace kubelet::client
