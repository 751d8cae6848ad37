#include "volume/atomic_writer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "catch.h"

using namespace kubelet;
using namespace kubelet::volume;
namespace fs = std::filesystem;

namespace {

class TempDir {
 public:
  TempDir() {
    char path[] = "/tmp/kubelet-volume-XXXXXX";
    path_ = mkdtemp(path);
  }
  ~TempDir() { fs::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// What a reader of the volume sees: every name that leads to a file, and its text.
std::map<std::string, std::string> Seen(const std::string& dir) {
  std::map<std::string, std::string> seen;
  for (const auto& entry : fs::directory_iterator(dir)) {
    std::string name = entry.path().filename();
    if (name.rfind("..", 0) == 0 || !fs::exists(entry.path())) continue;
    if (fs::is_directory(entry.path())) {
      for (const auto& inner : fs::directory_iterator(entry.path())) {
        std::stringstream text;
        text << std::ifstream(inner.path()).rdbuf();
        seen[name + "/" + inner.path().filename().string()] = text.str();
      }
      continue;
    }
    std::stringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    seen[name] = text.str();
  }
  return seen;
}

std::map<std::string, std::string> Texts(const Payload& payload) {
  std::map<std::string, std::string> texts;
  for (const auto& [path, file] : payload) texts[path] = file.bytes;
  return texts;
}

std::set<std::string> Names(const std::string& dir) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(dir)) names.insert(entry.path().filename());
  return names;
}

const Payload kOld{{"a", {"1", 0644, {}}}, {"sub/x", {"one", 0600, {}}}, {"gone", {"g", 0644, {}}}};
const Payload kNew{{"a", {"2", 0644, {}}}, {"sub/x", {"two", 0600, {}}}, {"fresh", {"f", 0400, {}}}};

}  // namespace

TEST_CASE("files appear with their modes, and nothing is written twice") {
  TempDir dir;
  auto first = WritePayload(dir.path(), kOld);
  INFO(first.status());
  REQUIRE(first.ok());
  CHECK(*first);
  CHECK(Seen(dir.path()) == Texts(kOld));
  struct stat info {};
  REQUIRE(stat((dir.path() + "/sub/x").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  std::string version = fs::read_symlink(dir.path() + "/..data");
  auto again = WritePayload(dir.path(), kOld);
  REQUIRE(again.ok());
  CHECK_FALSE(*again);
  CHECK(fs::read_symlink(dir.path() + "/..data") == version);
}

TEST_CASE("a changed mode alone is a change") {
  TempDir dir;
  REQUIRE(WritePayload(dir.path(), kOld).ok());
  Payload other = kOld;
  other["a"].mode = 0400;
  auto changed = WritePayload(dir.path(), other);
  REQUIRE(changed.ok());
  CHECK(*changed);
}

TEST_CASE("what has not changed is the same file under another name") {
  TempDir dir;
  REQUIRE(WritePayload(dir.path(), kOld).ok());
  auto inode = [&](const char* name) {
    struct stat info {};
    return stat((dir.path() + "/" + name).c_str(), &info) == 0 ? info.st_ino : 0;
  };
  auto a = inode("a"), x = inode("sub/x");
  Payload next = kOld;
  next["a"].bytes = "2";
  REQUIRE(*WritePayload(dir.path(), next));
  CHECK(inode("sub/x") == x);
  CHECK(inode("a") != a);
  CHECK(Seen(dir.path()) == Texts(next));
  struct stat info {};
  REQUIRE(stat((dir.path() + "/sub/x").c_str(), &info) == 0);
  CHECK(info.st_nlink == 1);  // the old version is gone
  CHECK((info.st_mode & 07777) == 0600);
}

TEST_CASE("modes are exact whatever the umask is, set-id bits and owners too") {
  TempDir dir;
  Payload payload{{"s", {"x", 04755, {}}}, {"w", {"x", 0666, {}}}};
  bool root = geteuid() == 0;
  if (root) payload["o"] = {"x", 06750, 1234};
  mode_t old = umask(0077);
  auto written = WritePayload(dir.path(), payload);
  umask(old);
  REQUIRE(written.ok());
  for (const auto& [name, file] : payload) {
    struct stat info {};
    REQUIRE(stat((dir.path() + "/" + name).c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == file.mode);
    CHECK(info.st_uid == static_cast<uid_t>(file.owner.value_or(geteuid())));
  }
  CHECK((fs::status(dir.path() + "/..data").permissions() & fs::perms::all) ==
        static_cast<fs::perms>(0755));
}

TEST_CASE("the group of the pod may read everything") {
  TempDir dir;
  WriteOptions options;
  options.group = 4242;
  REQUIRE(WritePayload(dir.path(), kOld, options).ok());
  struct stat info {};
  REQUIRE(stat((dir.path() + "/sub/x").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0640);
  CHECK(info.st_gid == 4242);
  REQUIRE(stat((dir.path() + "/sub").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 02755);
  REQUIRE(stat(dir.path().c_str(), &info) == 0);
  CHECK(info.st_gid == 4242);
  CHECK((info.st_mode & 07777) == 02750);  // mkdtemp's 0700
  auto again = WritePayload(dir.path(), kOld, options);
  REQUIRE(again.ok());
  CHECK_FALSE(*again);
}

TEST_CASE("stopped at any step, a reader sees old or new contents, and the next write ends it") {
  for (int stop = 0;; ++stop) {
    TempDir dir;
    REQUIRE(WritePayload(dir.path(), kOld).ok());
    int step = 0;
    WriteOptions options;
    options.before_step = [&] { return step++ < stop; };
    bool finished = WritePayload(dir.path(), kNew, options).ok();
    INFO("stopped before step " << stop);
    auto seen = Seen(dir.path());
    // Names that only one of the two has may or may not be linked yet; what is linked is of one version.
    bool old_version = seen["a"] == "1";
    CHECK(seen["sub/x"] == (old_version ? "one" : "two"));
    if (seen.contains("fresh")) CHECK_FALSE(old_version);
    if (seen.contains("gone")) CHECK(old_version);
    REQUIRE(WritePayload(dir.path(), kNew).ok());
    CHECK(Seen(dir.path()) == Texts(kNew));
    std::string version = fs::read_symlink(dir.path() + "/..data");
    CHECK(Names(dir.path()) == std::set<std::string>{"..data", version, "a", "sub", "fresh"});
    if (finished) {
      CHECK(stop > 8);
      break;
    }
  }
}

TEST_CASE("what somebody else put into the directory stays") {
  TempDir dir;
  std::ofstream(dir.path() + "/foreign") << "x";
  REQUIRE(WritePayload(dir.path(), kOld).ok());
  REQUIRE(WritePayload(dir.path(), kNew).ok());
  CHECK(fs::exists(dir.path() + "/foreign"));
}
