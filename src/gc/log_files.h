// The files that rotation makes of one log: FILE, FILE.STAMP, FILE.STAMP.gz, FILE.STAMP.tmp. What
// to do with them (pure), and doing it (blocking). Stamps are YYYYMMDD-HHMMSS in local time and
// sort as text.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/time.h"
#include "kubelet/gc/log_rotator.h"

namespace kubelet::gc {

// The stamp of now, or the first that is later than all of `names` (STAMP, STAMP.gz …): two
// rotations in one second, or a clock that was set back, do not mix the order up. Pure but for the
// time zone.
std::string NextStamp(const std::vector<std::string>& names, base::WallTime now);

// When a log of `size` bytes that grows by `rate` a second is to be looked at next, so that one of
// an ordinary burst does not get far beyond its limit. Pure.
base::Nanos NextLook(int64_t size, double rate, const LogPolicy& policy);

struct Upkeep {
  std::vector<std::string> remove;    // names: temporary, doubled, too many; oldest first
  std::vector<std::string> compress;  // all that stay but the newest; oldest first
};
// For the names after `FILE.`. `live`: FILE itself is there (and counts). Pure.
Upkeep PlanUpkeep(std::vector<std::string> names, int max_files, bool live);

struct LogFileSize {
  std::string name;  // within the container's directory
  int64_t bytes = 0;
};
// Of the files of all instances of a container those that go so that the rest has at most `budget`
// bytes, oldest instance and oldest stamp first; never one of `keep`. With them all of instances
// older than `first`. Names that are no logs do not count. Pure.
std::vector<std::string> OverBudget(std::vector<LogFileSize> files,
                                    const std::set<std::string>& keep, uint32_t first,
                                    int64_t budget);

// Of the files of all containers of a pod (names are CONTAINER/FILE) those that go so that the rest
// has at most `budget` bytes: rotated ones, oldest stamp first. Pure.
std::vector<std::string> OverPodBudget(const std::vector<LogFileSize>& files, int64_t budget);

// The number of `12.log`, `12.log.STAMP` …; -1: it is none.
int64_t InstanceOf(const std::string& name);

// Sizes of regular files; kAbsent, kOther (a link, a pipe, an error). Blocking, as all below.
inline constexpr int64_t kAbsent = -1, kOther = -2;
std::vector<int64_t> Sizes(const std::vector<std::string>& paths);
// Gives the file its rotated name, which is returned.
absl::StatusOr<std::string> MoveLog(const std::string& path, base::WallTime now);
// Gives it back. AlreadyExists: there is a new file, and both stay.
absl::Status RestoreLog(const std::string& rotated, const std::string& path);
// Removes what is superfluous; paths of what is to be compressed. With FILE gone and nobody
// writing, the newest rotated file becomes FILE again. `packing`: paths that are being compressed
// now, whose temporary files stay.
absl::StatusOr<std::vector<std::string>> TidyLog(const std::string& path, int max_files,
                                                 bool running,
                                                 const std::set<std::string>& packing = {});
// The budget over all instances; `keep` are paths. Instances older than those of `keep` go with it,
// but the one before an only one.
absl::Status TidyDirectory(const std::string& directory, const std::set<std::string>& keep,
                           int64_t budget);
// The budget over all containers of a pod; `directory` is the pod's.
absl::Status TidyPodDirectory(const std::string& directory, int64_t budget);
// FILE and all that was made of it. Absent is success.
absl::Status RemoveLog(const std::string& path);

}  // namespace kubelet::gc
