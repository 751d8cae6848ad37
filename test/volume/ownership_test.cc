#include "volume/ownership.h"

#include <sys/stat.h>
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
  Tree::Mode(t.volume, row.mode);
  REQUIRE(ApplyFsGroup(t.volume, {4242, false, true}).ok());
  CHECK((GroupOf(t.volume + "/sub/file") == 4242) == row.changed);
}

TEST_CASE("a volume that is not there is an error") {
  TempDir dir;
  CHECK(absl::IsNotFound(ApplyFsGroup(dir / "none", {1, false, false})));
}

}  // namespace
}  // namespace kubelet::volume
