// Directories and files of a pod outside its volumes: logs, /etc/hosts, termination messages.
// Blocking; call on the BlockingPool. Layout and modes: pkg/kubelet/kubelet_getters.go, facts
// of 1.36.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::volume {

struct PodDirs {
  std::string root_dir;  // /var/lib/kubelet
  std::string pod_logs_dir = "/var/log/pods";
  std::string legacy_log_dir = "/var/log/containers";
};

// `<root>/pods/<uid>` with `volumes` (0750; `plugins` and `containers` come with what lies in them)
// and the log directory (0755). Returns per container the highest `<n>.log` + 1 found there, for
// containers that have any.
absl::StatusOr<std::map<std::string, uint32_t>> MakePodDirectories(
    const PodDirs& dirs, const std::string& uid, const std::string& log_dir,
    const std::vector<std::string>& containers);

struct ContainerFiles {
  std::string etc_hosts, termination_log;  // empty when not asked for
};
// Writes what one container needs before it is created. The two newest termination files of it are
// kept.
absl::StatusOr<ContainerFiles> MakeContainerFiles(const PodDirs& dirs, const std::string& uid,
                                                  const std::string& log_dir,
                                                  const std::string& container,
                                                  const std::optional<std::string>& etc_hosts,
                                                  bool termination_log);

// `<legacy_log_dir>/<link>` -> log path, replaced when it is there.
absl::Status LinkContainerLog(const PodDirs& dirs, const std::string& link,
                              const std::string& log_path);

// Log directory, the links into it, and `<root>/pods/<uid>`, after PodVolumes::Teardown. Crosses no
// mount point, also no bind mount, and removes no file of a volume kind it does not know:
// FailedPrecondition names it. Absent is success.
absl::Status RemovePodFiles(const PodDirs& dirs, const std::string& uid,
                            const std::string& log_dir);

// Names in the log directories: `<namespace>_<name>_<uid>` of pods, and links `….log` whose log is
// not there.
struct LogNames {
  std::vector<std::string> pods, dead_links;
};
// What is not there or cannot be read is left out: of a link that may lead somewhere (EIO, ESTALE)
// nothing is said.
LogNames ListLogs(const PodDirs& dirs);
// Those that pods left which went while no kubelet ran. `pods`: uids of all that live; `containers`:
// ids of those that have not ended, whose log is away only while it is being rotated. Both are to be
// asked for after the list was made. Pure.
LogNames OrphanLogs(LogNames listed, const std::set<std::string>& pods,
                    const std::set<std::string>& containers);
// Best effort. A link that leads somewhere by now stays.
void RemoveLogs(const PodDirs& dirs, const LogNames& names);

// At most `limit` bytes from the end of a termination file; empty when it is not there.
std::string ReadTerminationMessage(const std::string& path, size_t limit = 4096);

// What a container wrote last, by its log in the format of CRI: of the last `lines` lines at most `limit` bytes
// (terminationMessagePolicy FallbackToLogsOnError). Empty when there is no log.
std::string ReadLogTail(const std::string& path, size_t lines = 80, size_t limit = 2048);

}  // namespace kubelet::volume
