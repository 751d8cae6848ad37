// The file that two kubelets of a machine lock against each other (--lock-file). As upstream's
// (cmd/kubelet/app/server_linux.go, Kubernetes 1.36): who comes second waits; and the first may
// give way as soon as anybody opens the file (--exit-on-lock-contention).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"

namespace kubelet::os {

// Held until destroyed, or until the process ends. The file stays.
class LockFile {
 public:
  // Makes the file when it is not there, and blocks for as long as another process holds it: to be
  // called before the core loop runs. Codes of open(2) and flock(2).
  static absl::StatusOr<std::unique_ptr<LockFile>> Take(const std::string& path);
  ~LockFile();

  // Calls `contended` once, on the executor's thread, when the file is opened or removed from now
  // on. Core loop. Codes of inotify_add_watch(2).
  absl::Status Watch(base::Executor executor, std::function<void()> contended);

 private:
  struct Watching;
  LockFile(std::string path, int fd);
  std::string path_;
  int fd_;
  std::unique_ptr<Watching> watching_;
};

}  // namespace kubelet::os
