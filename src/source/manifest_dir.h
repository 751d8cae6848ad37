// The blocking half of the file source: what a pool thread does in the manifest directory. Every
// call may hang with its filesystem.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/os/file.h"
#include "kubelet/os/inotify.h"
#include "source/file_set.h"

namespace kubelet::source {

// The configured path, resolved: a directory, or one file in its directory.
struct ManifestPlace {
  bool single = false;
  std::string directory;
  os::FileId directory_id;
  std::vector<std::string> paths;  // visible names with their directory, sorted
};

// `was_single`: what the path was before, for when the name is gone. NotFound: neither path nor,
// for a single file, its directory; FailedPrecondition: neither a directory nor a regular file.
absl::StatusOr<ManifestPlace> FindManifests(const std::string& path, bool was_single);

struct WatchedPlace {
  int watch = -1;
  os::FileId directory_id;
};
absl::StatusOr<WatchedPlace> WatchManifests(const os::Inotify::Watcher& watcher,
                                            const std::string& path, bool was_single);

// NotFound: the name itself is gone; a symbolic link to nowhere is another error.
absl::StatusOr<Reading> ReadManifest(const std::string& path);

}  // namespace kubelet::source
