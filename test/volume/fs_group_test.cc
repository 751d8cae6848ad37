// fsGroup of volumes that outlive their pods: who gives their files away, and when.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catch.h"
#include "volume/one_claim.h"

namespace kubelet::volume {
namespace {

using test::NeedsRoot;
using test::WriteText;

std::string OfGroup(int group, const std::string& more = "", bool read_only = false) {
  return std::string("{volumes: [{name: v, persistentVolumeClaim: {claimName: data") +
         (read_only ? ", readOnly: true" : "") +
         "}}], containers: [{name: c, volumeMounts: [{name: v, mountPath: /v}]}], "
         "securityContext: {fsGroup: " +
         std::to_string(group) + more + "}}";
}

struct Shared : test::OneClaimFixture {
  std::string file = root / "disk/data";
  Shared() {
    std::filesystem::create_directory(root / "disk");
    WriteText(file, "1");
    cluster.volume = "local: {path: " + (root / "disk") + "}";
  }
  gid_t Group() const {
    struct stat info {};
    REQUIRE(stat(file.c_str(), &info) == 0);
    return info.st_gid;
  }
  void Taken() { REQUIRE(chown(file.c_str(), 0, 7) == 0); }
  std::string Note(const std::string& uid) const {
    return root / ("pods/" + uid + "/plugins/kubernetes.io~fs-group/v");
  }
  void Leave(const std::string& uid, const std::string& note) {
    std::filesystem::create_directories(root / ("pods/" + uid + "/plugins/kubernetes.io~fs-group"));
    WriteText(Note(uid), note);
  }
  // By a kubelet that knows nothing of what is mounted.
  bool Again(const std::string& uid, const std::string& spec) {
    PodVolumes next(io.get_executor(), clock, pool, options);
    auto paths = Await(next.Prepare(Pod(uid, spec)));
    INFO(paths.status());
    return paths.ok();
  }
  int Walks() const {
    const std::string text = metrics.Render(), name = "volume_apply_access_control";
    auto at = text.find(
        "storage_operation_duration_seconds_count{volume_plugin=\"kubernetes.io/"
        "local-volume\",operation_name=\"" +
        name);
    return at == std::string::npos ? 0 : std::stoi(text.substr(text.find("} ", at) + 2));
  }
};

TEST_CASE("the first pod gives the files of a local volume to its group, once") {
  if (!NeedsRoot("bind mounts")) return;
  Shared f;
  REQUIRE(f.Prepare("a", OfGroup(4242)).ok());
  CHECK(f.Group() == 4242);
  CHECK_FALSE(std::filesystem::exists(f.Note("a")));
  f.Taken();
  // The next container, and one after a restart of the kubelet.
  REQUIRE(f.Prepare("a", OfGroup(4242)).ok());
  CHECK(f.Again("a", OfGroup(4242)));
  CHECK(f.Group() == 7);
  // Another pod, also with another group: the files are in use.
  REQUIRE(f.Prepare("b", OfGroup(4242)).ok());
  CHECK(f.events.empty());
  REQUIRE(f.Teardown("b").ok());
  REQUIRE(f.Prepare("b", OfGroup(4343)).ok());
  REQUIRE(f.Prepare("b", OfGroup(4343)).ok());
  CHECK(f.Group() == 7);
  CHECK(f.Walks() == 1);
  CHECK_FALSE(std::filesystem::exists(f.Note("b")));
  const std::string words =
      "b AlreadyMountedVolume: The requested fsGroup is 4343, but the volume pv1 has GID 4242. The "
      "volume may not be shareable.";
  CHECK(f.events == std::vector<std::string>{words});
  // Nobody has it any more.
  REQUIRE(f.Teardown("a").ok());
  REQUIRE(f.Teardown("b").ok());
  REQUIRE(f.Prepare("b", OfGroup(4343)).ok());
  CHECK(f.Group() == 4343);
}

TEST_CASE("a pod that may only read gives nothing away, and is told of another group") {
  if (!NeedsRoot("bind mounts")) return;
  Shared f;
  REQUIRE(f.Prepare("a", OfGroup(4242, "", true)).ok());
  CHECK(f.Group() != 4242);
  CHECK_FALSE(std::filesystem::exists(f.Note("a")));
  REQUIRE(f.Prepare("b", OfGroup(4343, "", true)).ok());
  CHECK(f.events.size() == 1);
  CHECK(f.Walks() == 0);
}

TEST_CASE("files that a killed kubelet had to give away are given away by the next") {
  if (!NeedsRoot("bind mounts")) return;
  Shared f;
  REQUIRE(f.Prepare("a", OfGroup(4242)).ok());
  // Killed after the bind, before the walk.
  f.Taken();
  f.Leave("a", "");
  CHECK(f.Again("a", OfGroup(4242)));
  CHECK(f.Group() == 4242);
  CHECK_FALSE(std::filesystem::exists(f.Note("a")));
  // The same, but another pod has it meanwhile: it was not the first.
  REQUIRE(f.Prepare("b", OfGroup(4242)).ok());
  f.Taken();
  f.Leave("a", "");
  CHECK(f.Again("a", OfGroup(4242)));
  CHECK(f.Group() == 7);
  CHECK_FALSE(std::filesystem::exists(f.Note("a")));
  // Killed in the walk: whoever came meanwhile waits for these files.
  f.Leave("a", "fsGroup walk 1 4242 of a volume that was here before\n");
  CHECK(f.Again("a", OfGroup(4242)));
  CHECK(f.Group() == 4242);
  CHECK_FALSE(std::filesystem::exists(f.Note("a")));
}

TEST_CASE("a root that has the group already leaves nothing to be done later") {
  if (!NeedsRoot("bind mounts")) return;
  Shared f;
  const std::string spec = OfGroup(4242, ", fsGroupChangePolicy: OnRootMismatch");
  REQUIRE(f.Prepare("a", spec).ok());
  REQUIRE(f.Teardown("a").ok());
  REQUIRE(f.Prepare("a", spec).ok());
  CHECK_FALSE(std::filesystem::exists(f.Note("a")));
}

TEST_CASE("of two pods that come at once one gives the files away, and the other waits for it") {
  if (!NeedsRoot("bind mounts")) return;
  Shared f;
  std::optional<absl::StatusOr<VolumeMap>> a, b;
  auto first = f.volumes.Prepare(f.Pod("a", OfGroup(4242)));
  auto second = f.volumes.Prepare(f.Pod("b", OfGroup(4242)));
  f.scope.Spawn("a", test::StoreResult(std::move(first), a));
  f.scope.Spawn("b", test::StoreResult(std::move(second), b));
  f.RunUntil([&] { return a || b; });
  CHECK(f.Group() == 4242);
  f.RunUntil([&] { return a && b; });
  CHECK(a->ok());
  CHECK(b->ok());
  CHECK(f.Walks() == 1);
}

TEST_CASE("giving files away that takes longer than half a minute is told") {
  if (!NeedsRoot("bind mounts")) return;
  Shared f;
  const std::string fifo = f.root / "fifo", program = f.root / "child", begins = f.root / "begins";
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  WriteText(program, "#!/bin/sh\n: > " + begins + "\nread word < " + fifo + "\n");
  REQUIRE(chmod(program.c_str(), 0755) == 0);
  auto options = f.options;
  options.children.program = program;
  PodVolumes slow(f.io.get_executor(), f.clock, f.pool, options);
  std::optional<absl::StatusOr<VolumeMap>> a;
  f.scope.Spawn("a", test::StoreResult(slow.Prepare(f.Pod("a", OfGroup(4242))), a));
  f.RunUntil([&] { return std::filesystem::exists(begins); });
  CHECK(f.events.empty());
  auto begun = f.clock.Mono();
  f.RunUntil([&] { return !f.events.empty(); }, std::chrono::seconds(1));
  CHECK(f.clock.Mono() - begun >= std::chrono::seconds(29));
  CHECK(f.events.back() ==
        "a VolumePermissionChangeInProgress: Setting volume ownership for "
        "a/volumes/kubernetes.io~local-volume/pv1 is taking longer than expected, consider using "
        "OnRootMismatch - "
        "https://kubernetes.io/docs/tasks/configure-pod-container/security-context/"
        "#configure-volume-permission-and-ownership-change-policy-for-pods");
  // Closed at once: the reader gets its end.
  int fd = -1;
  f.RunUntil([&] {
    if (fd < 0) fd = open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0;
  });
  close(fd);
  f.RunUntil([&] { return a.has_value(); });
}

}  // namespace
}  // namespace kubelet::volume
