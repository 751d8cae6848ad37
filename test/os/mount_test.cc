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

TEST_CASE("a tree is removed in parts: each does something, and what cannot go is told at the end") {
  TempDir dir;
  for (int i = 0; i < 3; ++i) {
    WriteText(dir / ("tree/file" + std::to_string(i)), "x");
    WriteText(dir / ("tree/sub/file" + std::to_string(i)), "x");
  }
  std::string deep = dir / "tree/deep";
  REQUIRE(MakeDirectory(deep, 0755).ok());
  for (int i = 0; i < 200; ++i) deep += "/d";
  REQUIRE(MakeDirectory(deep, 0755).ok());
  const auto now = std::chrono::steady_clock::now();
  CHECK(*RemoveTreeUntil(dir / "none", now));
  int parts = 0;
  for (bool done = false; !done && parts < 1000; ++parts) {
    auto part = RemoveTreeUntil(dir / "tree", now);
    REQUIRE(part.ok());
    done = *part;
  }
  // Six files, 202 directories below the top; the last part finds the top empty.
  CHECK(parts == 6 + 202 + 1);
  CHECK_FALSE(std::filesystem::exists(dir / "tree"));
  if (!NeedsRoot("tmpfs mounts")) return;
  MountDir held;
  REQUIRE(MakeDirectory(held / "tree/a", 0755).ok());
  REQUIRE(MountFilesystem("tmpfs", "tmpfs", held / "tree/a", "size=65536").ok());
  WriteText(held / "tree/a/data", "precious");
  for (const char* name : {"b", "c"}) WriteText(held / (std::string("tree/") + name), "x");
  auto part = RemoveTreeUntil(held / "tree", now);
  for (int i = 0; i < 3 && part.ok(); ++i) part = RemoveTreeUntil(held / "tree", now);
  CHECK(absl::IsFailedPrecondition(part.status()));
  CHECK_FALSE(std::filesystem::exists(held / "tree/c"));
  CHECK(ReadText(held / "tree/a/data") == "precious");
}

TEST_CASE("a directory of very many entries goes whole, one that cannot go aside") {
  if (!NeedsRoot("tmpfs mounts")) return;
  MountDir dir;
  for (int i = 0; i < 10000; ++i)
    close(open((dir / ("tree" + std::to_string(i))).c_str(), O_CREAT | O_CLOEXEC, 0600));
  REQUIRE(MakeDirectory(dir / "mounted", 0755).ok());
  REQUIRE(MountFilesystem("tmpfs", "tmpfs", dir / "mounted", "size=65536").ok());
  CHECK(absl::IsFailedPrecondition(RemoveTree(dir.path())));
  int left = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    CHECK(entry.path().filename() == "mounted");
    ++left;
  }
  CHECK(left == 1);
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
