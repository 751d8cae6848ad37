// fsGroup over many files: `fs_group_bench DIR [FILES [THREADS]]`. Makes the files in DIR (absent),
// gives them to a group, once more, and once more with OnRootMismatch; then an upstream-like single
// walk (lchown and chmod of each by its path) for the ratio. The default is a million files in a
// thousand directories.
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "volume/ownership.h"

namespace {

using kubelet::volume::ApplyFsGroup;
using kubelet::volume::FsGroup;
using kubelet::volume::WalkCounts;
using kubelet::volume::WalkOptions;

struct Took {
  double wall = 0, cpu = 0;  // seconds; CPU of all threads
};

double Cpu() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Took Measure(const std::function<void()>& work) {
  auto begun = std::chrono::steady_clock::now();
  double before = Cpu();
  work();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count(),
          Cpu() - before};
}

void Print(const char* what, const Took& took, const WalkCounts& counts = {}) {
  std::printf("%-42s %8.3f s  CPU %8.3f s", what, took.wall, took.cpu);
  if (counts.seen > 0)
    std::printf("  %8llu seen, %8llu changed", static_cast<unsigned long long>(counts.seen),
                static_cast<unsigned long long>(counts.changed));
  std::printf("\n");
  std::fflush(stdout);
}

void Plant(const std::string& root, long files) {
  long directories = std::max(1L, files / 1000);
  for (long d = 0; d < directories; ++d) {
    std::string dir = root + "/" + std::to_string(d / 100) + "/" + std::to_string(d % 100);
    std::filesystem::create_directories(dir);
    for (long i = 0; i < files / directories; ++i) {
      int fd =
          open((dir + "/file" + std::to_string(i)).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
      if (fd < 0) std::exit((std::perror("create"), 1));
      close(fd);
    }
  }
}

// What a walk by paths costs, one thread: an lstat, an lchown and a chmod of each.
void ByPaths(const std::string& path, gid_t group) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return;
  if (S_ISDIR(info.st_mode)) {
    if (DIR* dir = opendir(path.c_str())) {
      while (const dirent* entry = readdir(dir)) {
        std::string name = entry->d_name;
        if (name != "." && name != "..") ByPaths(path + "/" + name, group);
      }
      closedir(dir);
    }
  }
  mode_t needed = S_ISDIR(info.st_mode) ? 02770 : 0660;
  if (lchown(path.c_str(), static_cast<uid_t>(-1), group) != 0 ||
      chmod(path.c_str(), info.st_mode | needed) != 0)
    std::perror(path.c_str());
}

void Walk(const char* what, const std::string& dir, const FsGroup& wanted,
          const WalkOptions& options) {
  WalkCounts counts;
  absl::Status status;
  auto took = Measure([&] { status = ApplyFsGroup(dir, wanted, options, &counts); });
  if (!status.ok())
    std::exit((std::fprintf(stderr, "%s\n", std::string(status.message()).c_str()), 1));
  Print(what, took, counts);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: fs_group_bench DIR [FILES [THREADS]]\n"), 2;
  std::string dir = argv[1];
  long files = argc > 2 ? std::atol(argv[2]) : 1'000'000;
  WalkOptions options;
  options.threads = argc > 3 ? std::atoi(argv[3]) : 2;
  options.journal = dir + ".journal";
  Print("making the files", Measure([&] { Plant(dir, files); }));
  Walk("Always, everything has to change", dir, {4242, false, false}, options);
  Walk("Always, nothing has to change", dir, {4242, false, false}, options);
  Walk("OnRootMismatch, nothing has to change", dir, {4242, false, true}, options);
  Print("by paths, one thread, everything changes", Measure([&] { ByPaths(dir, 4243); }));
  Print("by paths, one thread, nothing changes", Measure([&] { ByPaths(dir, 4243); }));
}
