#include "gc/log_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <tuple>

#include "kubelet/base/status.h"
#include "kubelet/os/file.h"

namespace kubelet::gc {
namespace {

constexpr char kTemporary[] = ".tmp", kPacked[] = ".gz", kStamp[] = "%Y%m%d-%H%M%S";
// Growth that is reckoned with in a log that was quiet until now, bytes a second.
constexpr double kBurst = 8e6;
constexpr base::Nanos kSoonest = std::chrono::milliseconds(100);

std::string Stem(const std::string& name) {
  return name.ends_with(kPacked) ? name.substr(0, name.size() - 3) : name;
}

std::string StampOf(time_t time) {
  tm parts{};
  localtime_r(&time, &parts);
  char text[32];
  return std::string(text, strftime(text, sizeof text, kStamp, &parts));
}

// Nothing: it is no stamp.
std::optional<time_t> TimeOf(const std::string& stamp) {
  tm parts{};
  const char* end = strptime(stamp.c_str(), kStamp, &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  parts.tm_isdst = -1;
  time_t time = mktime(&parts);
  if (time == -1) return std::nullopt;
  return time;
}

// Names after `FILE.` of what is beside `path`.
absl::StatusOr<std::vector<std::string>> RotatedNames(const std::string& path) {
  ASSIGN_OR_RETURN(auto directory, os::ListDirectory(os::DirName(path)));
  std::string prefix = os::BaseName(path) + ".";
  std::vector<std::string> out;
  for (const auto& name : directory.names)
    if (name.rfind(prefix, 0) == 0) out.push_back(name.substr(prefix.size()));
  return out;
}

// Never over a file that is there.
absl::Status RenameAside(const std::string& from, const std::string& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0)
    return absl::OkStatus();
  if (errno != EINVAL && errno != ENOSYS) return base::ErrnoStatus(errno, "rename " + from);
  // A filesystem without it: a link cannot replace either.
  if (link(from.c_str(), to.c_str()) != 0) return base::ErrnoStatus(errno, "rename " + from);
  if (unlink(from.c_str()) != 0) return base::ErrnoStatus(errno, "unlink " + from);
  return absl::OkStatus();
}

bool IsTemporary(const std::string& name) { return name.ends_with(kTemporary); }

}  // namespace

std::string NextStamp(const std::vector<std::string>& names, base::WallTime now) {
  std::string newest;
  for (const auto& name : names)
    if (TimeOf(Stem(name))) newest = std::max(newest, Stem(name));
  auto time = static_cast<time_t>(base::UnixNanos(now) / 1'000'000'000);
  if (auto last = TimeOf(newest)) {
    time = std::max(time, *last + 1);
    // The hour that a time zone has twice.
    for (int i = 0; i < 7200 && StampOf(time) <= newest; ++i) ++time;
  }
  return StampOf(time);
}

base::Nanos NextLook(int64_t size, double rate, const LogPolicy& policy) {
  double room = 1.3 * static_cast<double>(policy.max_size) - static_cast<double>(size);
  double seconds = room / std::max(2 * rate, kBurst);
  auto delay = base::Nanos(static_cast<int64_t>(std::max(0.0, std::min(seconds, 3600.0)) * 1e9));
  return std::clamp(delay, kSoonest, std::max(kSoonest, policy.interval));
}

Upkeep PlanUpkeep(std::vector<std::string> names, int max_files, bool live) {
  Upkeep out;
  std::sort(names.begin(), names.end());
  std::vector<std::string> stay;
  for (const auto& name : names) {
    // An original beside its compressed form was about to be removed.
    bool doubled =
        !name.ends_with(kPacked) && std::binary_search(names.begin(), names.end(), name + kPacked);
    if (IsTemporary(name) || doubled) {
      out.remove.push_back(name);
    } else {
      stay.push_back(name);
    }
  }
  size_t most = static_cast<size_t>(std::max(1, max_files - (live ? 1 : 0)));
  size_t excess = stay.size() > most ? stay.size() - most : 0;
  for (size_t i = 0; i < stay.size(); ++i) {
    if (i < excess) {
      out.remove.push_back(stay[i]);
    } else if (i + 1 < stay.size() && !stay[i].ends_with(kPacked)) {
      out.compress.push_back(stay[i]);
    }
  }
  return out;
}

int64_t InstanceOf(const std::string& name) {
  size_t dot = name.find_first_not_of("0123456789");
  if (dot == 0 || dot > 9 || name.compare(dot, 4, ".log") != 0) return -1;
  if (name.size() > dot + 4 && name[dot + 4] != '.') return -1;
  return std::strtoll(name.c_str(), nullptr, 10);
}

std::vector<std::string> OverBudget(std::vector<LogFileSize> files,
                                    const std::set<std::string>& keep, uint32_t first,
                                    int64_t budget) {
  std::erase_if(files, [](const auto& file) { return InstanceOf(file.name) < 0; });
  // `N.log` is the youngest of its instance.
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) {
    auto key = [](const auto& file) {
      return std::make_tuple(InstanceOf(file.name), file.name.ends_with(".log"), file.name);
    };
    return key(a) < key(b);
  });
  int64_t total = 0;
  for (const auto& file : files) total += file.bytes;
  std::vector<std::string> out;
  for (const auto& file : files) {
    bool old = InstanceOf(file.name) < first;
    if (keep.contains(file.name) || (!old && total <= budget)) continue;
    out.push_back(file.name);
    total -= file.bytes;
  }
  return out;
}

std::vector<std::string> OverPodBudget(const std::vector<LogFileSize>& files, int64_t budget) {
  int64_t total = 0;
  std::vector<std::tuple<std::string, std::string, int64_t>> rotated;  // by stamp, name
  for (const auto& file : files) {
    std::string name = os::BaseName(file.name);
    if (InstanceOf(name) < 0) continue;
    total += file.bytes;
    std::string stamp = Stem(name.substr(name.find(".log") + 4));
    if (!stamp.empty() && TimeOf(stamp.substr(1)))
      rotated.emplace_back(stamp, file.name, file.bytes);
  }
  std::sort(rotated.begin(), rotated.end());
  std::vector<std::string> out;
  for (const auto& [stamp, name, bytes] : rotated) {
    if (total <= budget) break;
    out.push_back(name);
    total -= bytes;
  }
  return out;
}

std::vector<int64_t> Sizes(const std::vector<std::string>& paths) {
  std::vector<int64_t> out;
  out.reserve(paths.size());
  for (const auto& path : paths) {
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0) {
      out.push_back(errno == ENOENT ? kAbsent : kOther);
    } else {
      out.push_back(S_ISREG(info.st_mode) ? info.st_size : kOther);
    }
  }
  return out;
}

absl::StatusOr<std::string> MoveLog(const std::string& path, base::WallTime now) {
  ASSIGN_OR_RETURN(auto names, RotatedNames(path));
  std::string to = path + "." + NextStamp(names, now);
  RETURN_IF_ERROR(RenameAside(path, to));
  return to;
}

absl::Status RestoreLog(const std::string& rotated, const std::string& path) {
  return RenameAside(rotated, path);
}

absl::StatusOr<std::vector<std::string>> TidyLog(const std::string& path, int max_files,
                                                 bool running,
                                                 const std::set<std::string>& packing) {
  auto names = RotatedNames(path);
  if (absl::IsNotFound(names.status())) return std::vector<std::string>();
  if (!names.ok()) return names.status();
  bool live = Sizes({path}).front() != kAbsent;
  // Nobody knows yet whether the last of them has its writer: look again when FILE is back.
  if (!live && running) return std::vector<std::string>();
  if (!live && !names->empty()) {
    std::erase_if(*names, IsTemporary);
    auto newest = std::max_element(names->begin(), names->end());
    if (newest != names->end() && !newest->ends_with(kPacked)) {
      RETURN_IF_ERROR(RestoreLog(path + "." + *newest, path));
      names = RotatedNames(path);
      if (!names.ok()) return names.status();
      live = true;
    }
  }
  Upkeep plan = PlanUpkeep(*names, max_files, live);
  for (const auto& name : plan.remove) {
    std::string file = path + "." + name;
    if (IsTemporary(name) && packing.contains(file.substr(0, file.size() - 4))) continue;
    RETURN_IF_ERROR(os::RemoveFile(file));
  }
  std::vector<std::string> out;
  for (const auto& name : plan.compress) out.push_back(path + "." + name);
  return out;
}

absl::Status TidyDirectory(const std::string& directory, const std::set<std::string>& keep,
                           int64_t budget) {
  auto listed = os::ListDirectory(directory);
  if (absl::IsNotFound(listed.status())) return absl::OkStatus();
  if (!listed.ok()) return listed.status();
  std::set<std::string> names;
  std::set<int64_t> instances;
  for (const auto& path : keep) {
    names.insert(os::BaseName(path));
    int64_t instance = InstanceOf(os::BaseName(path));
    if (instance >= 0) instances.insert(instance);
  }
  if (instances.empty()) return absl::OkStatus();
  // The log before the only instance stays, though its container had to go (RestartAllContainers).
  int64_t first = *instances.begin();
  if (instances.size() == 1 && first > 0) --first;
  std::vector<LogFileSize> files;
  for (const auto& name : listed->names) {
    int64_t size = Sizes({directory + "/" + name}).front();
    if (size >= 0) files.push_back({name, size});
  }
  for (const auto& name : OverBudget(std::move(files), names, static_cast<uint32_t>(first), budget))
    RETURN_IF_ERROR(os::RemoveFile(directory + "/" + name));
  return absl::OkStatus();
}

absl::Status TidyPodDirectory(const std::string& directory, int64_t budget) {
  auto containers = os::ListDirectory(directory);
  if (absl::IsNotFound(containers.status())) return absl::OkStatus();
  if (!containers.ok()) return containers.status();
  std::vector<LogFileSize> files;
  for (const auto& container : containers->names) {
    auto listed = os::ListDirectory(directory + "/" + container);
    if (!listed.ok()) continue;  // no directory, or gone meanwhile
    for (const auto& file : listed->names) {
      std::string name = container + "/" + file;
      int64_t size = Sizes({directory + "/" + name}).front();
      if (size >= 0) files.push_back({name, size});
    }
  }
  for (const auto& name : OverPodBudget(files, budget))
    RETURN_IF_ERROR(os::RemoveFile(directory + "/" + name));
  return absl::OkStatus();
}

absl::Status RemoveLog(const std::string& path) {
  auto names = RotatedNames(path);
  if (absl::IsNotFound(names.status())) return absl::OkStatus();
  if (!names.ok()) return names.status();
  for (const auto& name : *names) RETURN_IF_ERROR(os::RemoveFile(path + "." + name));
  return os::RemoveFile(path);
}

}  // namespace kubelet::gc
