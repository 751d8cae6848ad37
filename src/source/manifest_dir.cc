#include "source/manifest_dir.h"

#include <sys/stat.h>

#include "kubelet/base/status.h"
#include "kubelet/source/manifest.h"

namespace kubelet::source {
namespace {

constexpr uint32_t kEvents = IN_CREATE | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_DELETE |
                             IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;

absl::StatusOr<bool> IsSingle(const std::string& path, bool was_single) {
  auto info = os::Stat(path);
  if (absl::IsNotFound(info.status()) && was_single) return true;
  if (!info.ok()) return info.status();
  if (info->kind == os::FileKind::kOther) {
    return absl::FailedPreconditionError(path + ": neither a directory nor a regular file");
  }
  return info->kind == os::FileKind::kRegular;
}

}  // namespace

absl::StatusOr<ManifestPlace> FindManifests(const std::string& path, bool was_single) {
  ManifestPlace place;
  ASSIGN_OR_RETURN(place.single, IsSingle(path, was_single));
  place.directory = place.single ? os::DirName(path) : path;
  if (place.single) {
    ASSIGN_OR_RETURN(os::FileInfo info, os::Stat(place.directory));
    place.directory_id = info.id;
    struct stat own;
    if (::lstat(path.c_str(), &own) == 0) place.paths.push_back(path);
    return place;
  }
  ASSIGN_OR_RETURN(os::Directory listed, os::ListDirectory(path));
  place.directory_id = listed.id;
  for (const auto& name : listed.names) {
    if (name[0] != '.') place.paths.push_back(path + "/" + name);
  }
  return place;
}

absl::StatusOr<WatchedPlace> WatchManifests(const os::Inotify::Watcher& watcher,
                                            const std::string& path, bool was_single) {
  ASSIGN_OR_RETURN(bool single, IsSingle(path, was_single));
  std::string directory = single ? os::DirName(path) : path;
  WatchedPlace out;
  // The id is taken after the watch: when the directory was replaced in between, the listing's id
  // differs from it and the watch is renewed.
  ASSIGN_OR_RETURN(out.watch, watcher.WatchDirectory(directory, kEvents));
  ASSIGN_OR_RETURN(os::FileInfo info, os::Stat(directory));
  out.directory_id = info.id;
  return out;
}

absl::StatusOr<Reading> ReadManifest(const std::string& path) {
  Reading reading;
  auto file = os::ReadRegularFile(path, kMaxManifest);
  if (file.ok()) {
    reading.text = std::move(file->text);
    reading.id = file->id;
    return reading;
  }
  reading.status = file.status();
  reading.skipped = absl::IsFailedPrecondition(reading.status);
  if (absl::IsNotFound(reading.status)) {
    struct stat own;
    if (::lstat(path.c_str(), &own) != 0) return reading.status;
    reading.status = absl::UnavailableError(path + ": symbolic link to a file that is not there");
  }
  return reading;
}

}  // namespace kubelet::source
