// The last good version of one manifest on disk: what keeps a pod alive over a kubelet restart
// while its file is bad, and its uid over a rename of the file or an update of the kubelet.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/os/file.h"

namespace kubelet::source {

struct Checkpoint {
  std::string source;         // configured path of the source it belongs to
  std::string path;           // of the manifest
  std::string identity_path;  // the path that is part of the uid: the manifest's first name
  std::string node_name;
  std::string uid;
  std::string name;      // namespace/name, for people who look at the file
  std::string seen;      // config.seen
  os::FileId directory;  // where the file was last seen
  std::string text;      // the manifest as it was
};

// Lines `key: value` (percent-encoded), a blank line, the text; the first line carries the format's
// number, the last key a checksum over all the rest.
std::string EncodeCheckpoint(const Checkpoint& checkpoint);
// DataLoss: cut short or damaged; FailedPrecondition: of a format this build does not know.
absl::StatusOr<Checkpoint> DecodeCheckpoint(const std::string& data);

// Name of a manifest's checkpoint within its directory.
std::string CheckpointName(const std::string& path);

// Blocking, for the pool. The directory is made with mode 0700, files with 0600: manifests may hold
// secrets.
absl::Status SaveCheckpoint(const std::string& directory, const Checkpoint& checkpoint);
absl::Status RemoveCheckpoint(const std::string& directory, const std::string& path);
struct LoadedCheckpoints {
  std::vector<Checkpoint> good;
  std::vector<std::string>
      bad;  // file: what is wrong; they stay on disk until their manifest is saved anew
};
// No directory: empty. Left-over temporary files are removed.
absl::StatusOr<LoadedCheckpoints> LoadCheckpoints(const std::string& directory);

// What the URL source serves, under the names above: `pods` as a PodList in JSON, with the node's
// name and a hash of the URL, which may hold a password. Saving removes what is kept of other URLs.
absl::Status SaveUrlPods(const std::string& directory, const std::string& url,
                         const std::string& node_name, const std::string& pods);
// Empty: nothing is kept for this URL and node. DataLoss: it is damaged.
absl::StatusOr<std::string> LoadUrlPods(const std::string& directory, const std::string& url,
                                        const std::string& node_name);

}  // namespace kubelet::source
