#include "kubelet/os/mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "catch.h"
#include "kubelet/os/mountinfo.h"
#include "os/temp_dir.h"

namespace kubelet::os {
namespace {

using test::ModeOf;
using test::NeedsRoot;
using test::ReadText;
using test::TempDir;
using test::WriteText;

std::string TargetOf(int fd) {
  std::string path = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd)).string();
  close(fd);
  return path;
}

// Mounts that a failed test left, taken away before the directory is removed.
struct MountDir : TempDir {
  ~MountDir() { UnmountBelow(path(), true).IgnoreError(); }
};

TEST_CASE("directories are made with their mode whatever the umask is") {
  TempDir dir;
  mode_t old = umask(0077);
  CHECK(MakeDirectory(dir / "a/b/c", 0777).ok());
  umask(old);
  CHECK(ModeOf(dir / "a") == 0777);
  CHECK(ModeOf(dir / "a/b/c") == 0777);
  chmod((dir / "a").c_str(), 0700);
  CHECK(MakeDirectory(dir / "a", 0777).ok());
  CHECK(ModeOf(dir / "a") == 0700);  // what is there stays
  WriteText(dir / "file", "x");
  CHECK(absl::IsFailedPrecondition(MakeDirectory(dir / "file", 0755)));
  CHECK(absl::IsFailedPrecondition(MakeDirectory(dir / "file/x", 0755)));
}

TEST_CASE("a tree is removed with links, odd names and depth, and nothing outside") {
  TempDir dir;
  WriteText(dir / "keep/data", "precious");
  WriteText(dir / "tree/sub/file", "x");
  WriteText(dir / "tree/new\nline", "x");
  std::filesystem::create_directory_symlink(dir / "keep", dir / "tree/link");
  std::string deep = dir / "tree";
  // Deeper than the descriptors that may be open, and than PATH_MAX in one go.
  int fd = open(deep.c_str(), O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < 3000; ++i) {
    REQUIRE(mkdirat(fd, "d", 0755) == 0);
    int next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
    close(fd);
    fd = next;
  }
  close(fd);
  REQUIRE(RemoveTree(dir / "tree").ok());
  CHECK_FALSE(std::filesystem::exists(dir / "tree"));
  CHECK(ReadText(dir / "keep/data") == "precious");
  CHECK(RemoveTree(dir / "tree").ok());
  CHECK(RemoveTree(dir / "no/such").ok());
  CHECK(absl::IsInvalidArgument(RemoveTree("relative")));
  CHECK(absl::IsInvalidArgument(RemoveTree(dir / "keep/")));
}

TEST_CASE("a link is removed, not what it points at") {
  TempDir dir;
  WriteText(dir / "keep/data", "precious");
  std::filesystem::create_directory_symlink(dir / "keep", dir / "link");
  CHECK(RemoveTree(dir / "link").ok());
  CHECK_FALSE(std::filesystem::is_symlink(dir / "link"));
  CHECK(ReadText(dir / "keep/data") == "precious");
}

TEST_CASE("data behind a bind mount of the same filesystem is never removed") {
  if (!NeedsRoot("bind mounts")) return;
  MountDir dir;
  WriteText(dir / "keep/data", "precious");
  WriteText(dir / "keep/file", "precious");
  WriteText(dir / "tree/other", "x");
  WriteText(dir / "tree/file", "");
  REQUIRE(MakeDirectory(dir / "tree/sub/mounted", 0755).ok());
  REQUIRE(mount((dir / "keep").c_str(), (dir / "tree/sub/mounted").c_str(), nullptr, MS_BIND,
                nullptr) == 0);
  REQUIRE(mount((dir / "keep/file").c_str(), (dir / "tree/file").c_str(), nullptr, MS_BIND,
                nullptr) == 0);
  auto status = RemoveTree(dir / "tree");
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(ReadText(dir / "keep/data") == "precious");
  CHECK(ReadText(dir / "keep/file") == "precious");
  CHECK_FALSE(std::filesystem::exists(dir / "tree/other"));  // the rest is gone
  CHECK(absl::IsFailedPrecondition(RemoveTree(dir / "tree/sub/mounted")));
  REQUIRE(UnmountBelow(dir.path(), false).ok());
  REQUIRE(RemoveTree(dir / "tree").ok());
  CHECK(ReadText(dir / "keep/data") == "precious");
}

TEST_CASE("everything below a directory is unmounted: nested, stacked and busy mounts") {
  if (!NeedsRoot("tmpfs mounts")) return;
  MountDir dir;
  REQUIRE(MakeDirectory(dir / "a b", 0755).ok());
  REQUIRE(MountFilesystem("tmpfs", "tmpfs", dir / "a b", "size=65536").ok());
  REQUIRE(MakeDirectory(dir / "a b/c", 0755).ok());
  REQUIRE(MountFilesystem("tmpfs", "tmpfs", dir / "a b/c", "size=65536").ok());
  REQUIRE(MountFilesystem("tmpfs", "tmpfs", dir / "a b", "size=65536").ok());
  int busy = open((dir / "a b").c_str(), O_RDONLY | O_DIRECTORY);
  REQUIRE(MountsBelow(*ReadMountinfo(), dir.path()).size() == 3);
  CHECK(UnmountBelow(dir.path(), false).ok());
  close(busy);
  CHECK(MountsBelow(*ReadMountinfo(), dir.path()).empty());
  CHECK(UnmountBelow(dir.path(), false).ok());
  CHECK(Unmount(dir / "a b", false).ok());
  CHECK(Unmount(dir / "absent", false).ok());
  CHECK(absl::IsInvalidArgument(MountFilesystem("tmpfs", "tmpfs", dir / "a b", "nonsense=1")));
}

TEST_CASE("a path is opened inside its base or not at all") {
  TempDir dir;
  WriteText(dir / "base/sub/file", "x");
  WriteText(dir / "outside/secret", "x");
  std::filesystem::create_symlink("sub/file", dir / "base/inner");
  std::filesystem::create_symlink("../outside", dir / "base/relative");
  std::filesystem::create_symlink(dir / "outside", dir / "base/absolute");
  std::string base = dir / "base";
  auto inner = OpenInside(base, "inner");
  REQUIRE(inner.ok());
  CHECK(TargetOf(*inner) == std::filesystem::canonical(base + "/sub/file").string());
  for (const char* path : {"relative", "relative/secret", "absolute", "absolute/secret", "..",
                           "../outside", "sub/../..", "/etc", "absolute/new", "relative/new"}) {
    INFO(path);
    CHECK(absl::IsInvalidArgument(OpenInside(base, path, 0750).status()));
  }
  CHECK(absl::IsNotFound(OpenInside(base, "sub/new").status()));
  CHECK(absl::IsFailedPrecondition(OpenInside(base, "sub/file/x", 0750).status()));
  CHECK_FALSE(std::filesystem::exists(dir / "outside/new"));
}

TEST_CASE("missing directories are made on the way, with their mode") {
  TempDir dir;
  mode_t old = umask(0077);
  auto fd = OpenInside(dir.path(), "x//y/./z", 0777);
  umask(old);
  REQUIRE(fd.ok());
  CHECK(TargetOf(*fd) == std::filesystem::canonical(dir / "x/y/z").string());
  CHECK(ModeOf(dir / "x") == 0777);
  CHECK(ModeOf(dir / "x/y/z") == 0777);
}

TEST_CASE("a descriptor is bound once, and again when it is another file") {
  if (!NeedsRoot("bind mounts")) return;
  MountDir dir;
  WriteText(dir / "one/data", "1");
  WriteText(dir / "two", "2");
  std::string target = dir / "target/0";
  int one = open((dir / "one").c_str(), O_PATH);
  int two = open((dir / "two").c_str(), O_PATH);
  REQUIRE(BindDescriptor(one, target).ok());
  CHECK(ReadText(target + "/data") == "1");
  REQUIRE(BindDescriptor(one, target).ok());
  CHECK(MountsBelow(*ReadMountinfo(), dir.path()).size() == 1);
  REQUIRE(BindDescriptor(two, target).ok());
  CHECK(ReadText(target) == "2");
  CHECK(MountsBelow(*ReadMountinfo(), dir.path()).size() == 1);
  close(one);
  close(two);
}

TEST_CASE("path components") {
  for (const char* good : {"a", "a.b", "..a", "0"}) CHECK(IsPathComponent(good));
  for (const std::string bad : {"", ".", "..", "a/b", "/"}) CHECK_FALSE(IsPathComponent(bad));
  CHECK_FALSE(IsPathComponent(std::string("a\0b", 3)));
}

}  // namespace
}  // namespace kubelet::os
