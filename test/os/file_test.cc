#include "kubelet/os/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "catch.h"

namespace kubelet::os {
namespace {

namespace fs = std::filesystem;

struct Scratch {
  Scratch() {
    std::string name = (fs::temp_directory_path() / "kubelet_file_XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  std::string Put(const std::string& name, const std::string& text) {
    std::ofstream(path + "/" + name, std::ios::binary) << text;
    return path + "/" + name;
  }
  std::string path;
};

TEST_CASE("a regular file is read whole, with its identity") {
  Scratch s;
  std::string text(40'000, 'x');
  text[3] = '\0';
  auto path = s.Put("a", text);
  auto file = ReadRegularFile(path, 40'000);
  REQUIRE(file.ok());
  CHECK(file->text == text);
  CHECK(file->id == Stat(path)->id);
  CHECK(absl::IsResourceExhausted(ReadRegularFile(path, 39'999).status()));
  CHECK(ReadRegularFile(s.Put("empty", ""), 0)->text.empty());
  CHECK(absl::IsNotFound(ReadRegularFile(s.path + "/absent", 1).status()));
}

TEST_CASE("what is no regular file is refused without opening it") {
  Scratch s;
  std::string pipe = s.path + "/pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  for (std::string path : {pipe, s.path, std::string("/dev/null")}) {
    INFO(path);
    CHECK(absl::IsFailedPrecondition(ReadRegularFile(path, 10).status()));
  }
}

TEST_CASE("identity follows a rename and differs for a new file") {
  Scratch s;
  auto a = s.Put("a", "1");
  auto id = Stat(a)->id;
  fs::rename(a, s.path + "/b");
  CHECK(Stat(s.path + "/b")->id == id);
  fs::remove(s.path + "/b");
  auto again = Stat(s.Put("a", "1"))->id;
  if (again.Certain()) CHECK_FALSE(again == id);
}

TEST_CASE("a directory is listed sorted") {
  Scratch s;
  for (const char* name : {"b", "a", ".c", "B"}) s.Put(name, "");
  auto listed = ListDirectory(s.path);
  REQUIRE(listed.ok());
  CHECK(listed->names == std::vector<std::string>{".c", "B", "a", "b"});
  CHECK(listed->id == Stat(s.path)->id);
  CHECK(absl::IsNotFound(ListDirectory(s.path + "/absent").status()));
  CHECK(absl::IsFailedPrecondition(ListDirectory(s.path + "/a").status()));
}

TEST_CASE("an atomic write replaces and leaves nothing behind") {
  Scratch s;
  std::string path = s.path + "/a";
  REQUIRE(WriteFileAtomic(path, "one", 0600).ok());
  REQUIRE(WriteFileAtomic(path, "two", 0640).ok());
  CHECK(ReadRegularFile(path, 10)->text == "two");
  CHECK((fs::status(path).permissions() & fs::perms::others_all) == fs::perms::none);
  CHECK(ListDirectory(s.path)->names.size() == 1);
  fs::create_directory(s.path + "/dir");
  CHECK_FALSE(WriteFileAtomic(s.path + "/dir", "x", 0600).ok());
  CHECK(ListDirectory(s.path)->names.size() == 2);
  CHECK(absl::IsNotFound(WriteFileAtomic(s.path + "/absent/a", "x", 0600)));
  CHECK(RemoveFile(path).ok());
  CHECK(RemoveFile(path).ok());
  CHECK_FALSE(RemoveFile(s.path + "/dir").ok());
}

TEST_CASE("directories are made with their parents") {
  Scratch s;
  CHECK(MakeDirectories(s.path + "/a/b/c", 0700).ok());
  CHECK(MakeDirectories(s.path + "/a/b/c", 0700).ok());
  CHECK(fs::is_directory(s.path + "/a/b/c"));
  s.Put("file", "");
  CHECK_FALSE(MakeDirectories(s.path + "/file", 0700).ok());
  CHECK_FALSE(MakeDirectories(s.path + "/file/x", 0700).ok());
}

TEST_CASE("paths are split as dirname and basename do") {
  CHECK(DirName("/a/b") == "/a");
  CHECK(DirName("/a") == "/");
  CHECK(DirName("a") == ".");
  CHECK(BaseName("/a/b") == "b");
  CHECK(BaseName("a") == "a");
}

}  // namespace
}  // namespace kubelet::os
