#include "gc/log_files.h"

#include <sys/stat.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "catch.h"
#include "gc/log_compressor.h"

namespace kubelet::gc {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "kubelet-gc-XXXXXX").string();
    dir = mkdtemp(name.data());
    log = dir + "/0.log";
  }
  ~Folder() { fs::remove_all(dir); }
  void Write(const std::string& name, const std::string& text = "x\n") const {
    std::ofstream(dir + "/" + name, std::ios::binary) << text;
  }
  std::set<std::string> Files() const {
    std::set<std::string> out;
    for (const auto& entry : fs::directory_iterator(dir)) out.insert(entry.path().filename());
    return out;
  }
  std::string dir, log;
};

std::string Unpack(const std::string& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  std::string out;
  char block[4096];
  for (int n = 0; file != nullptr && (n = gzread(file, block, sizeof block)) > 0;)
    out.append(block, static_cast<size_t>(n));
  gzclose(file);
  return out;
}

base::WallTime At(const std::string& stamp) {
  tm parts{};
  strptime(stamp.c_str(), "%Y%m%d-%H%M%S", &parts);
  parts.tm_isdst = -1;
  return base::WallFromUnixNanos(int64_t{mktime(&parts)} * 1'000'000'000);
}

TEST_CASE("a rotated log gets the stamp of now, and never one that is there or older") {
  auto now = At("20260301-120000");
  CHECK(NextStamp({}, now) == "20260301-120000");
  CHECK(NextStamp({"20260228-235959.gz"}, now) == "20260301-120000");
  CHECK(NextStamp({"20260301-120000"}, now) == "20260301-120001");
  CHECK(NextStamp({"20260301-120000.gz", "20260301-120001"}, now) == "20260301-120002");
  CHECK(NextStamp({"20270101-000000"}, now) == "20270101-000001");  // the clock was set back
  CHECK(NextStamp({"20270101-000000.tmp", "note"}, now) == "20260301-120000");
}

TEST_CASE("what stays of the rotated files, and what is compressed") {
  auto plan = PlanUpkeep({"3", "1.gz", "2", "4"}, 5, true);
  CHECK(plan.remove.empty());
  CHECK(plan.compress == Names{"2", "3"});
  plan = PlanUpkeep({"3", "1.gz", "2", "4"}, 3, true);
  CHECK(plan.remove == Names{"1.gz", "2"});
  CHECK(plan.compress == Names{"3"});
  plan = PlanUpkeep({"1", "1.gz", "2.tmp", "2"}, 5, true);
  CHECK(plan.remove == Names{"1", "2.tmp"});
  CHECK(plan.compress.empty());
  plan = PlanUpkeep({"1", "2", "3"}, 2, true);
  CHECK(plan.remove == Names{"1", "2"});
  CHECK(plan.compress.empty());
  CHECK(PlanUpkeep({"1.gz", "2"}, 2, false).remove.empty());
}

TEST_CASE("instances of a container and their budget") {
  CHECK(InstanceOf("0.log") == 0);
  CHECK(InstanceOf("12.log.20200101-000000.gz") == 12);
  CHECK(InstanceOf("a.log") == -1);
  CHECK(InstanceOf(".log") == -1);
  CHECK(InstanceOf("1.logs") == -1);
  std::vector<LogFileSize> files = {{"2.log", 10},      {"1.log", 10},  {"1.log.b", 10},
                                    {"1.log.a.gz", 10}, {"0.log", 10},  {"0.log.a", 10},
                                    {"10.log", 10},     {"notes", 1000}};
  std::set<std::string> keep = {"10.log", "2.log"};
  CHECK(OverBudget(files, keep, 0, 1000).empty());
  CHECK(OverBudget(files, keep, 1, 1000) == Names{"0.log.a", "0.log"});
  CHECK(OverBudget(files, keep, 0, 40) == Names{"0.log.a", "0.log", "1.log.a.gz"});
  CHECK(OverBudget(files, keep, 0, 0) ==
        Names{"0.log.a", "0.log", "1.log.a.gz", "1.log.b", "1.log"});
}

TEST_CASE("over the budget of a pod the oldest rotated logs go, whichever container's") {
  const std::string s1 = "20260101-000001", s2 = "20260101-000002", s3 = "20260101-000003";
  std::vector<LogFileSize> files = {{"a/0.log", 10},
                                    {"a/0.log." + s1 + ".gz", 10},
                                    {"a/0.log." + s3, 10},
                                    {"b/1.log", 10},
                                    {"b/0.log", 10},
                                    {"b/0.log." + s2, 10},
                                    {"b/1.log." + s2 + ".tmp", 10},
                                    {"b/core", 1000}};
  CHECK(OverPodBudget(files, 70).empty());
  CHECK(OverPodBudget(files, 69) == Names{"a/0.log." + s1 + ".gz"});
  CHECK(OverPodBudget(files, 50) == Names{"a/0.log." + s1 + ".gz", "b/0.log." + s2});
  // What is written, or the whole log of an instance that ended, stays.
  CHECK(OverPodBudget(files, 0) ==
        Names{"a/0.log." + s1 + ".gz", "b/0.log." + s2, "a/0.log." + s3});
}

// What a log has grown to when a look finds it over its limit.
double Found(double rate, const LogPolicy& policy) {
  double size = 0, measured = 0, seconds = 0.25;  // the first look
  for (;;) {
    double next = size + rate * seconds;
    if (next >= static_cast<double>(policy.max_size)) return next;
    measured = rate;
    size = next;
    auto delay = NextLook(static_cast<int64_t>(size), measured, policy);
    seconds = std::chrono::duration<double>(delay).count();
  }
}

TEST_CASE("a log that grows is found before it is half as long again as it may be") {
  LogPolicy policy;
  for (double rate : {1e3, 1e5, 1e6, 3e6, 6e6, 10e6, 20e6}) {
    INFO(rate);
    CHECK(Found(rate, policy) < 1.45 * static_cast<double>(policy.max_size));
  }
  policy.max_size = 1 << 20;
  for (double rate : {1e5, 1e6, 4e6}) CHECK(Found(rate, policy) < 1.45 * (1 << 20));
  CHECK(NextLook(0, 0, LogPolicy{-1}) == std::chrono::milliseconds(100));
  LogPolicy large;
  large.max_size = int64_t{1} << 40;
  CHECK(NextLook(0, 0, large) == large.interval);
}

TEST_CASE("a log is moved aside and gets its name back") {
  Folder folder;
  folder.Write("0.log", "one\n");
  auto moved = MoveLog(folder.log, At("20260301-120000"));
  REQUIRE(moved.ok());
  CHECK(*moved == folder.log + ".20260301-120000");
  CHECK(Sizes({folder.log, *moved, folder.dir}) == std::vector<int64_t>{kAbsent, 4, kOther});
  CHECK(RestoreLog(*moved, folder.log).ok());
  CHECK(folder.Files() == std::set<std::string>{"0.log"});
}

TEST_CASE("a new file is not overwritten when a rotation is taken back") {
  Folder folder;
  folder.Write("0.log", "old\n");
  auto moved = MoveLog(folder.log, At("20260301-120000"));
  REQUIRE(moved.ok());
  folder.Write("0.log", "new\n");
  CHECK(RestoreLog(*moved, folder.log).code() == absl::StatusCode::kAlreadyExists);
  CHECK(folder.Files().size() == 2);
}

TEST_CASE("two rotations in one second keep both files") {
  Folder folder;
  for (int i = 0; i < 3; ++i) {
    folder.Write("0.log", std::to_string(i));
    REQUIRE(MoveLog(folder.log, At("20260301-120000")).ok());
  }
  CHECK(folder.Files() == std::set<std::string>{"0.log.20260301-120000", "0.log.20260301-120001",
                                                "0.log.20260301-120002"});
}

TEST_CASE("what a crash left of compressing is mended") {
  Folder folder;
  for (const char* name :
       {"0.log", "0.log.20260301-120000", "0.log.20260301-120000.gz", "0.log.20260301-120001.tmp",
        "0.log.20260301-120001", "0.log.20260301-120002", "1.log.20260301-120000.tmp"})
    folder.Write(name);
  auto packs = TidyLog(folder.log, 5, true);
  REQUIRE(packs.ok());
  CHECK(*packs == Names{folder.log + ".20260301-120001"});
  CHECK(folder.Files() == std::set<std::string>{"0.log", "0.log.20260301-120000.gz",
                                                "0.log.20260301-120001", "0.log.20260301-120002",
                                                "1.log.20260301-120000.tmp"});
}

TEST_CASE("a crash between renaming and reopening: the log of an ended container comes back") {
  Folder folder;
  folder.Write("0.log.20260301-120000", "before\n");
  folder.Write("0.log.20260301-120001", "last\n");
  auto packs = TidyLog(folder.log, 5, true);
  REQUIRE(packs.ok());
  CHECK(packs->empty());
  CHECK(folder.Files().size() == 2);  // it runs: the runtime is asked first
  REQUIRE(TidyLog(folder.log, 5, false).ok());
  CHECK(folder.Files() == std::set<std::string>{"0.log", "0.log.20260301-120000"});
}

TEST_CASE("logs of instances that the runtime no longer has go") {
  Folder folder;
  for (const char* name : {"0.log", "1.log", "1.log.20260301-120000.gz", "2.log", "3.log", "other"})
    folder.Write(name);
  REQUIRE(TidyDirectory(folder.dir, {folder.dir + "/2.log", folder.dir + "/3.log"}, 1000).ok());
  CHECK(folder.Files() == std::set<std::string>{"2.log", "3.log", "other"});
  REQUIRE(TidyDirectory(folder.dir, {}, 0).ok());
  CHECK(folder.Files().size() == 3);
  REQUIRE(RemoveLog(folder.dir + "/3.log").ok());
  CHECK(folder.Files() == std::set<std::string>{"2.log", "other"});
  CHECK(RemoveLog(folder.dir + "/gone/3.log").ok());
}

std::string Noise(size_t size) {
  std::ostringstream out;
  for (unsigned i = 1; out.tellp() < static_cast<std::streamoff>(size); ++i)
    out << i * 2654435761u << " a line of a log\n";
  return out.str();
}

TEST_CASE("a compressed log has the bytes, the mode, the time and the place of the original") {
  Folder folder;
  std::string text = Noise(5 << 20);
  folder.Write("0.log.1", text);
  std::string path = folder.log + ".1";
  fs::permissions(path, fs::perms(0640));
  struct stat before {};
  REQUIRE(stat(path.c_str(), &before) == 0);
  LogCompressor compressor(path);
  int steps = 0;
  for (bool done = false; !done; ++steps) {
    auto step = compressor.Step();
    REQUIRE(step.ok());
    done = *step;
  }
  CHECK(steps >= 3);
  CHECK(folder.Files() == std::set<std::string>{"0.log.1.gz"});
  CHECK(Unpack(path + ".gz") == text);
  struct stat after {};
  REQUIRE(stat((path + ".gz").c_str(), &after) == 0);
  CHECK((after.st_mode & 07777) == 0640);
  CHECK(after.st_mtim.tv_sec == before.st_mtim.tv_sec);
  CHECK(after.st_size < before.st_size / 2);
  std::ifstream file(path + ".gz", std::ios::binary);
  char head[32] = {};
  file.read(head, sizeof head);
  CHECK(std::string(head + 12, 4) == std::string("KI\x10\0", 4));
  uint64_t inode = 0;
  memcpy(&inode, head + 16, 8);
  CHECK(inode == before.st_ino);
}

TEST_CASE("a log that is written to while it is compressed stays as it is") {
  Folder folder;
  std::string text = Noise(3 << 20);
  folder.Write("0.log.1", text);
  {
    LogCompressor compressor(folder.log + ".1");
    auto step = compressor.Step();
    REQUIRE(step.ok());
    CHECK_FALSE(*step);
    CHECK(folder.Files().size() == 2);
  }
  CHECK(folder.Files() == std::set<std::string>{"0.log.1"});  // given up half-way
  LogCompressor compressor(folder.log + ".1");
  REQUIRE(compressor.Step().ok());
  // Cut short, which no end of file tells: only the size does.
  fs::resize_file(folder.log + ".1", 1000);
  auto step = compressor.Step();
  CHECK(step.status().code() == absl::StatusCode::kAborted);
  LogCompressor gone(folder.dir + "/none");
  CHECK(gone.Step().status().code() == absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace kubelet::gc
