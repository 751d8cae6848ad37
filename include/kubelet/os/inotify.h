// Change hints of the kernel for directories. Events only say "look again": queues overflow, and
// network filesystems send none, so a user also looks from time to time.
#pragma once

#include <sys/inotify.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"

namespace kubelet::os {

struct InotifyEvent {
  int watch = -1;       // -1 with IN_Q_OVERFLOW
  uint32_t mask = 0;    // IN_*
  uint32_t cookie = 0;  // pairs IN_MOVED_FROM with IN_MOVED_TO
  std::string name;     // within the watched directory; empty for the directory itself
};

// One inotify instance. Core loop only, except for a Watcher.
class Inotify {
 public:
  // ResourceExhausted when the user's instances or descriptors are used up: go without and look
  // periodically.
  static absl::StatusOr<std::unique_ptr<Inotify>> Create(base::Executor executor);
  ~Inotify();

  // Adds watches from any thread (inotify_add_watch walks a path and may block); keeps the
  // instance's descriptor open for as long as it lives.
  class Watcher {
   public:
    // The watch descriptor; adding the same inode again returns the same one. NotFound,
    // PermissionDenied, ResourceExhausted (fs.inotify.max_user_watches), FailedPrecondition (not a
    // directory).
    absl::StatusOr<int> WatchDirectory(const std::string& path, uint32_t mask) const;

   private:
    friend class Inotify;
    struct Fd;
    std::shared_ptr<Fd> fd_;
  };
  Watcher watcher() const;
  // An unknown descriptor is ignored.
  void Unwatch(int watch);

  // Waits until there are events; one waiter. Unavailable when the descriptor fails.
  base::Task<absl::StatusOr<std::vector<InotifyEvent>>> Read();
  // What is queued now, without waiting.
  std::vector<InotifyEvent> Drain();

 private:
  struct State;
  explicit Inotify(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

// The records of one read(2); a record cut short ends the list.
std::vector<InotifyEvent> ParseInotifyEvents(std::string_view bytes);

}  // namespace kubelet::os
