#include "volume/ownership.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "catch.h"
#include "os/temp_dir.h"

namespace kubelet::volume {
namespace {

using test::ModeOf;
using test::NeedsRoot;
using test::TempDir;
using test::WriteText;

gid_t GroupOf(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0 ? info.st_gid : static_cast<gid_t>(-1);
}

struct Tree {
  TempDir dir;
  std::string volume = dir / "volume";
  Tree() {
    WriteText(volume + "/sub/file", "x");
    WriteText(dir / "outside", "x");
    std::filesystem::create_symlink(dir / "outside", volume + "/link");
    Mode(volume, 0750);
    Mode(volume + "/sub", 0700);
    Mode(volume + "/sub/file", 0600);
    Mode(dir / "outside", 0600);
  }
  static void Mode(const std::string& path, mode_t mode) {
    REQUIRE(chmod(path.c_str(), mode) == 0);
  }
};

TEST_CASE("fsGroup: everything in the volume belongs to the group, and nothing outside") {
  if (!NeedsRoot("chown")) return;
  Tree t;
  REQUIRE(ApplyFsGroup(t.volume, {4242, false, false}).ok());
  CHECK(ModeOf(t.volume) == 02770);
  CHECK(ModeOf(t.volume + "/sub") == 02770);
  CHECK(ModeOf(t.volume + "/sub/file") == 0660);
  for (const char* path : {"", "/sub", "/sub/file", "/link"})
    CHECK(GroupOf(t.volume + path) == 4242);
  CHECK(GroupOf(t.dir / "outside") == 0);
  CHECK(ModeOf(t.dir / "outside") == 0600);
}

TEST_CASE("fsGroup of a volume that is read only lets the group read") {
  if (!NeedsRoot("chown")) return;
  Tree t;
  Tree::Mode(t.volume, 0700);
  REQUIRE(ApplyFsGroup(t.volume, {4242, true, false}).ok());
  CHECK(ModeOf(t.volume) == 02750);
  CHECK(ModeOf(t.volume + "/sub/file") == 0640);
}

TEST_CASE("OnRootMismatch looks at the root alone") {
  if (!NeedsRoot("chown")) return;
  struct Row {
    gid_t group;
    mode_t mode;
    bool changed;
  };
  auto row = GENERATE(Row{4242, 02770, false}, Row{4242, 02777, false}, Row{4242, 0770, true},
                      Row{4242, 02750, true}, Row{7, 02770, true});
  INFO(row.group << " " << row.mode);
  Tree t;
  REQUIRE(chown(t.volume.c_str(), 0, row.group) == 0);
  REQUIRE(chown((t.volume + "/sub").c_str(), 0, 999) == 0);  // a user's own business
  Tree::Mode(t.volume, row.mode);
  REQUIRE(ApplyFsGroup(t.volume, {4242, false, true}).ok());
  CHECK((GroupOf(t.volume + "/sub/file") == 4242) == row.changed);
}

TEST_CASE("OnRootMismatch: a root that was made right by hand over files that nobody got is no match") {
  if (!NeedsRoot("chown")) return;
  Tree t;
  std::filesystem::create_directory(t.volume + "/lost+found");
  REQUIRE(chown(t.volume.c_str(), 0, 4242) == 0);
  Tree::Mode(t.volume, 02770);
  WalkCounts counts;
  REQUIRE(ApplyFsGroup(t.volume, {4242, false, true}, {}, &counts).ok());
  CHECK_FALSE(counts.skipped);
  CHECK(GroupOf(t.volume + "/sub/file") == 4242);
  REQUIRE(ApplyFsGroup(t.volume, {4242, false, true}, {}, &counts).ok());
  CHECK(counts.skipped);
}

TEST_CASE("what is right is only looked at; set-id bits that chown drops come back") {
  if (!NeedsRoot("chown")) return;
  Tree t;
  Tree::Mode(t.volume + "/sub/file", 06711);
  WalkCounts first, second;
  REQUIRE(ApplyFsGroup(t.volume, {4242, false, false}, {}, &first).ok());
  CHECK(ModeOf(t.volume + "/sub/file") == 06771);
  CHECK(first.seen == 4);
  CHECK(first.changed == 4);
  struct stat before {}, after{};
  REQUIRE(stat((t.volume + "/sub/file").c_str(), &before) == 0);
  REQUIRE(ApplyFsGroup(t.volume, {4242, false, false}, {}, &second).ok());
  CHECK(second.seen == 4);
  CHECK(second.changed == 0);
  REQUIRE(stat((t.volume + "/sub/file").c_str(), &after) == 0);
  CHECK(before.st_ctim.tv_sec == after.st_ctim.tv_sec);
  CHECK(before.st_ctim.tv_nsec == after.st_ctim.tv_nsec);
}

// Wide and deep, with a big flat directory.
void Plant(const std::string& root, int directories, int files, int flat) {
  for (int d = 0; d < directories; ++d) {
    std::string dir = root + "/d" + std::to_string(d % 7) + "/e" + std::to_string(d);
    for (int i = 0; i < files; ++i) WriteText(dir + "/f" + std::to_string(i), "");
  }
  for (int i = 0; i < flat; ++i) WriteText(root + "/flat/f" + std::to_string(i), "");
}
size_t Wrong(const std::string& root, gid_t group) {
  size_t wrong = GroupOf(root) == group && ModeOf(root) & 02000 ? 0 : 1;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    mode_t needed = entry.is_directory() ? 02770 : 0660;
    if (GroupOf(entry.path()) != group || (ModeOf(entry.path()) & needed) != needed) ++wrong;
  }
  return wrong;
}

TEST_CASE("several threads leave nothing out, and end with the root") {
  if (!NeedsRoot("chown")) return;
  TempDir dir;
  Plant(dir / "v", 60, 10, 3000);
  WalkOptions options;
  options.threads = 4;
  WalkCounts counts;
  REQUIRE(ApplyFsGroup(dir / "v", {4242, false, false}, options, &counts).ok());
  CHECK(Wrong(dir / "v", 4242) == 0);
  CHECK(counts.seen == 60 * 10 + 60 + 7 + 1 + 3000 + 1);
  CHECK(counts.failed == 0);
}

TEST_CASE("a walk that was killed goes on where it was, for the same volume and group only") {
  if (!NeedsRoot("chown")) return;
  TempDir dir;
  Plant(dir / "v", 400, 3, 0);
  WalkOptions options;
  options.journal = dir / "journal";
  FsGroup wanted{4242, false, false};
  // Killed somewhere in the middle, as often as it takes.
  for (int round = 0; round < 200; ++round) {
    pid_t pid = fork();
    if (pid == 0) {
      // A fault in the middle, after a few changes: the kernel takes the CPU away.
      rlimit limit{0, 0};
      setrlimit(RLIMIT_CORE, &limit);
      itimerval timer{{0, 0}, {0, 300 + round * 137 % 4000}};
      setitimer(ITIMER_REAL, &timer, nullptr);
      _exit(ApplyFsGroup(dir / "v", wanted, options).ok() ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    if (WIFSIGNALED(status) && std::filesystem::exists(dir / "journal") &&
        std::filesystem::file_size(dir / "journal") > 500)
      break;
    // It got through: back to the start.
    if (WIFEXITED(status)) {
      REQUIRE(WEXITSTATUS(status) == 0);
      CHECK_FALSE(std::filesystem::exists(dir / "journal"));
      std::filesystem::remove_all(dir / "v");
      Plant(dir / "v", 400, 3, 0);
    }
  }
  if (!std::filesystem::exists(dir / "journal")) {
    WARN("the walk was never caught in the middle");
    return;
  }
  std::filesystem::copy(dir / "journal", dir / "copy");
  WalkCounts counts;
  REQUIRE(ApplyFsGroup(dir / "v", wanted, options, &counts).ok());
  CHECK(counts.resumed > 0);
  CHECK(counts.seen < 400 * 4 - 100);
  CHECK(Wrong(dir / "v", 4242) == 0);
  CHECK_FALSE(std::filesystem::exists(dir / "journal"));
  std::filesystem::rename(dir / "copy", dir / "journal");
  REQUIRE(ApplyFsGroup(dir / "v", {4243, false, false}, options, &counts).ok());
  CHECK(counts.resumed == 0);
  CHECK(Wrong(dir / "v", 4243) == 0);
}

TEST_CASE("a file that cannot be changed is counted, and the rest is done") {
  if (!NeedsRoot("chattr +i")) return;
  Tree t;
  int fd = open((t.volume + "/sub/file").c_str(), O_RDONLY);
  int flags = FS_IMMUTABLE_FL, none = 0;
  bool immutable = ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
  WalkCounts counts;
  auto status = ApplyFsGroup(t.volume, {4242, false, false}, {}, &counts);
  if (immutable) ioctl(fd, FS_IOC_SETFLAGS, &none);
  close(fd);
  CHECK(status.ok());
  CHECK(counts.failed == (immutable ? 1 : 0));
  if (immutable) CHECK(counts.first_failure.find("chown " + t.volume + "/sub/file: ") == 0);
  CHECK(GroupOf(t.volume) == 4242);
}

TEST_CASE("a volume that is not there is an error") {
  TempDir dir;
  CHECK(absl::IsNotFound(ApplyFsGroup(dir / "none", {1, false, false})));
}

}  // namespace
}  // namespace kubelet::volume
