#include "kubelet/volume/pod_files.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>

#include "catch.h"
#include "kubelet/os/mount.h"
#include "os/temp_dir.h"

namespace kubelet::volume {
namespace {

using test::ModeOf;
using test::ReadText;
using test::TempDir;
using test::WriteText;

struct PodFilesFixture {
  TempDir root;
  PodDirs dirs{root / "root", root / "logs", root / "links"};
  std::string pod = root / "root/pods/1-2";
  std::string logs = root / "logs/ns_web_1-2";
  ~PodFilesFixture() { os::UnmountBelow(root.path(), true).IgnoreError(); }
};

TEST_CASE("a pod's directories, and how far its containers' logs got") {
  PodFilesFixture f;
  WriteText(f.logs + "/c/0.log", "");
  WriteText(f.logs + "/c/11.log.20260101-000000.gz", "");
  WriteText(f.logs + "/c/x.log", "");
  WriteText(f.logs + "/c/99999999999.log", "");
  mode_t old = umask(0077);
  auto next = MakePodDirectories(f.dirs, "1-2", f.logs, {"c", "new"});
  umask(old);
  REQUIRE(next.ok());
  CHECK(*next == std::map<std::string, uint32_t>{{"c", 12}});
  for (const char* part : {"", "/volumes"}) CHECK(ModeOf(f.pod + part) == 0750);
  for (const char* uid : {"", "..", "a/b"}) {
    CHECK(absl::IsInvalidArgument(MakePodDirectories(f.dirs, uid, f.logs, {}).status()));
  }
}

TEST_CASE("a container's files: hosts are rewritten, the newest termination files kept") {
  PodFilesFixture f;
  REQUIRE(MakePodDirectories(f.dirs, "1-2", f.logs, {}).ok());
  auto first = MakeContainerFiles(f.dirs, "1-2", f.logs, "c", "127.0.0.1 localhost\n", true);
  REQUIRE(first.ok());
  CHECK(ReadText(first->etc_hosts) == "127.0.0.1 localhost\n");
  CHECK(ModeOf(first->etc_hosts) == 0644);
  CHECK(ModeOf(first->termination_log) == 0666);
  CHECK(ModeOf(f.logs + "/c") == 0755);
  for (const char* part : {"/containers", "/containers/c"}) CHECK(ModeOf(f.pod + part) == 0750);
  auto second = MakeContainerFiles(f.dirs, "1-2", f.logs, "c", "x\n", true);
  CHECK(ReadText(second->etc_hosts) == "x\n");
  CHECK(second->termination_log != first->termination_log);
  auto none = MakeContainerFiles(f.dirs, "1-2", f.logs, "c", std::nullopt, false);
  CHECK(none->etc_hosts.empty());
  CHECK(none->termination_log.empty());
}

TEST_CASE("the end of a termination file, of regular files only") {
  TempDir dir;
  WriteText(dir / "long", std::string(5000, 'a') + "end");
  CHECK(ReadTerminationMessage(dir / "long", 4096).size() == 4096);
  CHECK(ReadTerminationMessage(dir / "long", 3) == "end");
  CHECK(ReadTerminationMessage(dir / "absent").empty());
  std::filesystem::create_symlink(dir / "long", dir / "link");
  CHECK(ReadTerminationMessage(dir / "link").empty());
  REQUIRE(mkfifo((dir / "fifo").c_str(), 0600) == 0);
  CHECK(ReadTerminationMessage(dir / "fifo").empty());
}

TEST_CASE("the end of a log is what its container wrote last") {
  TempDir dir;
  const std::string head = "2026-01-02T03:04:05.678901234Z ";
  std::string log;
  for (int i = 1; i <= 100; ++i) log += head + "stdout F line " + std::to_string(i) + "\n";
  WriteText(dir / "many", log);
  std::string tail = ReadLogTail(dir / "many");
  CHECK(tail.substr(0, 8) == "line 21\n");
  CHECK(tail.substr(tail.size() - 9) == "line 100\n");
  CHECK(ReadLogTail(dir / "many", 80, 5) == " 100\n");
  // Pieces of a line, both streams, a tag with more to it, an empty line, and lines that are none.
  WriteText(dir / "odd", head + "stdout P one \n" + head + "stderr F:x two\n" + head + "stdout F \nnonsense\n\n" + head +
                             "stdout F last");
  CHECK(ReadLogTail(dir / "odd") == "one two\n\nlast\n");
  WriteText(dir / "long", head + "stdout F " + std::string(300'000, 'a') + "\n" + head + "stdout F end\n");
  CHECK(ReadLogTail(dir / "long") == "end\n");
  WriteText(dir / "empty", "");
  CHECK(ReadLogTail(dir / "empty").empty());
  CHECK(ReadLogTail(dir / "absent").empty());
}

TEST_CASE("a pod's files go: logs, links into them, directory; other pods' links stay") {
  PodFilesFixture f;
  REQUIRE(MakePodDirectories(f.dirs, "1-2", f.logs, {}).ok());
  REQUIRE(MakeContainerFiles(f.dirs, "1-2", f.logs, "c", "x", true).ok());
  WriteText(f.logs + "/c/0.log", "x");
  REQUIRE(LinkContainerLog(f.dirs, "ours.log", f.logs + "/c/0.log").ok());
  REQUIRE(LinkContainerLog(f.dirs, "ours.log", f.logs + "/c/1.log").ok());
  CHECK(std::filesystem::read_symlink(f.root / "links/ours.log") == f.logs + "/c/1.log");
  REQUIRE(LinkContainerLog(f.dirs, "theirs.log", f.logs + "3/c/0.log").ok());
  REQUIRE(RemovePodFiles(f.dirs, "1-2", f.logs).ok());
  CHECK_FALSE(std::filesystem::exists(f.pod));
  CHECK_FALSE(std::filesystem::exists(f.logs));
  CHECK_FALSE(std::filesystem::is_symlink(f.root / "links/ours.log"));
  CHECK(std::filesystem::is_symlink(f.root / "links/theirs.log"));
  CHECK(RemovePodFiles(f.dirs, "1-2", f.logs).ok());
  CHECK(absl::IsInvalidArgument(RemovePodFiles(f.dirs, "..", f.logs)));
}

TEST_CASE("logs of pods that went while no kubelet ran go, of others nothing") {
  PodFilesFixture f;
  WriteText(f.logs + "/c/0.log", "x");
  WriteText(f.root / "logs/ns_gone_3-4/c/0.log", "x");
  WriteText(f.root / "logs/not_ours/0.log", "x");
  WriteText(f.root / "logs/not_ours_at_all/0.log", "x");
  REQUIRE(LinkContainerLog(f.dirs, "web_ns_c-00000001.log", f.logs + "/c/0.log").ok());
  REQUIRE(LinkContainerLog(f.dirs, "gone_ns_c-00000002.log", f.root / "absent").ok());
  REQUIRE(LinkContainerLog(f.dirs, "somebody's", f.root / "absent").ok());
  WriteText(f.root / "links/agent.log", "");
  RemoveLogs(f.dirs, OrphanLogs(ListLogs(f.dirs), {"1-2"}, {}));
  CHECK(ReadText(f.logs + "/c/0.log") == "x");
  CHECK_FALSE(std::filesystem::exists(f.root / "logs/ns_gone_3-4"));
  CHECK(std::filesystem::exists(f.root / "logs/not_ours"));
  CHECK(std::filesystem::exists(f.root / "logs/not_ours_at_all"));
  CHECK(std::filesystem::is_symlink(f.root / "links/web_ns_c-00000001.log"));
  CHECK_FALSE(std::filesystem::is_symlink(f.root / "links/gone_ns_c-00000002.log"));
  CHECK(std::filesystem::is_symlink(f.root / "links/somebody's"));
  CHECK(std::filesystem::exists(f.root / "links/agent.log"));
}

TEST_CASE("the link to a log that is just being rotated stays") {
  PodFilesFixture f;
  const std::string id(64, 'a');
  REQUIRE(LinkContainerLog(f.dirs, "web_ns_c-" + id + ".log", f.logs + "/c/0.log").ok());
  // As another kubelet cuts it.
  REQUIRE(LinkContainerLog(f.dirs, "long_ns_c-" + id.substr(0, 7) + ".log", f.root / "x").ok());
  REQUIRE(LinkContainerLog(f.dirs, "longer_ns_c-aa.log", f.root / "x").ok());
  REQUIRE(LinkContainerLog(f.dirs, "other_ns_c-" + std::string(64, 'b') + ".log", f.root / "x").ok());
  auto listed = ListLogs(f.dirs);
  CHECK(listed.dead_links.size() == 4);
  auto orphans = OrphanLogs(listed, {}, {"0", id, "c"});
  std::sort(orphans.dead_links.begin(), orphans.dead_links.end());
  CHECK(orphans.dead_links == std::vector<std::string>{"longer_ns_c-aa.log",
                                                       "other_ns_c-" + std::string(64, 'b') + ".log"});
  // It ended, and its log is there again: nothing is dead any more.
  auto ended = OrphanLogs(listed, {}, {});
  CHECK(ended.dead_links.size() == 4);
  WriteText(f.logs + "/c/0.log", "x");
  RemoveLogs(f.dirs, ended);
  CHECK(std::filesystem::is_symlink(f.root / ("links/web_ns_c-" + id + ".log")));
  CHECK_FALSE(std::filesystem::is_symlink(f.root / "links/longer_ns_c-aa.log"));
}

TEST_CASE("a link whose log cannot be asked for is not called dead") {
  PodFilesFixture f;
  // ELOOP and ENOTDIR: any error but ENOENT.
  REQUIRE(LinkContainerLog(f.dirs, "a_ns_c-00000001.log", f.root / "links/a_ns_c-00000001.log").ok());
  WriteText(f.root / "file", "");
  REQUIRE(LinkContainerLog(f.dirs, "b_ns_c-00000001.log", f.root / "file/0.log").ok());
  CHECK(ListLogs(f.dirs).dead_links.empty());
}

TEST_CASE("a bind mount in a pod's directory is not removed with it, nor what it shows") {
  if (!test::NeedsRoot("bind mounts")) return;
  PodFilesFixture f;
  WriteText(f.root / "precious/data", "1");
  REQUIRE(os::MakeDirectory(f.pod + "/containers/c", 0750).ok());
  REQUIRE(mount((f.root / "precious").c_str(), (f.pod + "/containers/c").c_str(), nullptr, MS_BIND,
                nullptr) == 0);
  CHECK(absl::IsFailedPrecondition(RemovePodFiles(f.dirs, "1-2", f.logs)));
  CHECK(ReadText(f.root / "precious/data") == "1");
}

}  // namespace
}  // namespace kubelet::volume
