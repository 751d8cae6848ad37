// The moving half of the file source: events, timers and reads around a FileSet.
//
//   inotify ──> Settler ──┐ due names
//   check_period, retry ──┴─> Look: find, read (pool) ──> FileSet::Apply ─┬─> on_snapshot
//                                                                         ├─> on_problem_change
//                                                                         └─> Save (pool)
// A look always covers the whole directory; names that changed while it was read are left out of it
// and cause another. Core loop only.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kubelet/os/inotify.h"
#include "kubelet/source/source.h"
#include "source/file_set.h"
#include "source/manifest_dir.h"
#include "source/settle.h"

namespace kubelet::source {

class FileSource : public PodSource {
 public:
  FileSource(FileSourceOptions options, SourceDeps deps);
  void Start() override;
  base::Task<void> Stop() override;
  const std::string& name() const override { return name_; }
  std::vector<Problem> problems() const override { return problems_; }

  // For tests: looks finished so far, and whether nothing is under way or due.
  uint64_t looks() const { return looks_; }
  bool idle() const { return idle_ && saved_; }

 private:
  base::Task<void> Run();
  base::Task<void> ReadEvents();
  base::Task<void> RestoreAll();
  base::Task<void> Watch();
  base::Task<void> Look();
  base::Task<Listing> TakeListing();
  base::Task<absl::StatusOr<Reading>> ReadOne(std::string path);
  base::Task<void> SaveLoop();
  base::Task<void> Save();
  void HandleEvents(const std::vector<os::InotifyEvent>& events);
  void Unwatched();
  base::MonoTime NextLook() const;
  void Deliver(bool changed);
  void UpdateProblems();
  void Remind();
  std::string CheckpointDirectory() const { return options_.state_dir + "/static_pods"; }

  FileSourceOptions options_;
  SourceDeps deps_;
  std::string name_ = kFileSource;
  FileSet set_;
  Settler settler_;
  std::unique_ptr<os::Inotify> inotify_;
  absl::Status inotify_status_;
  int watch_ = -1;
  bool watching_ = false;                     // a watch is being set
  std::vector<os::InotifyEvent> unassigned_;  // its events, until it is known
  os::FileId watched_;
  bool single_ = false;
  bool look_now_ = true;
  base::MonoTime next_full_{};
  base::MonoTime next_watch_{};
  base::MonoTime next_reminder_{};
  bool delivered_ = false;  // a snapshot went out
  bool listed_ = false;     // the directory was read, or is known to be absent
  // Calls that did not come back in time: not tried again until the kernel lets go.
  // The work of a call holds one, and lets it go when it has ended or was dropped before it began.
  struct Call {};
  std::map<std::string, std::weak_ptr<Call>> hung_;
  bool Hangs(const std::string& path) const {
    auto it = hung_.find(path);
    return it != hung_.end() && !it->second.expired();
  }
  std::set<std::string> on_disk_;  // paths that have a checkpoint
  std::vector<Problem> problems_;
  absl::Status save_status_;
  base::WallTime save_failed_since_;
  uint64_t looks_ = 0;
  bool idle_ = false;
  bool saved_ = true;
  base::WakeEvent wake_;
  base::WakeEvent save_wake_;
  base::TaskScope scope_;
};

}  // namespace kubelet::source
