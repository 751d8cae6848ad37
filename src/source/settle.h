// When may a name in the manifest directory be judged? Turns change events into due times, so that
// a half-written file is not read and an editor's save (remove, create, rename) is one change.
// Pure: times are handed in.
//
//   event                                   due
//   closed after writing                    at once; a name seen for the first time after `quiet`,
//                                           for it may be a copy in passing
//   moved here, not from a visible name     at once
//   moved from one visible name to another  both after `quiet`: an editor may be making its backup
//   modified, and its writer has it open    when closed, at the latest `writer_hold` after the
//                                           first such event
//   anything else                           `quiet` after the last event, at the latest
//                                           `burst_limit` after the first
//
// A name that was deleted within the burst is told of besides (TakeDeleted): whoever deletes a
// manifest and writes it again means a removal, even when the same text is there again. A save that
// moves the old file away first, or a new one over it, is none, and nor is the deletion of a file
// that was made in the place of one that had been moved away.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kubelet/base/time.h"
#include "kubelet/os/inotify.h"

namespace kubelet::source {

class Settler {
 public:
  struct Options {
    base::Nanos quiet, burst_limit, writer_hold;
  };
  explicit Settler(Options options) : options_(options) {}

  // An event for a visible name. `known`: the name has a manifest already.
  void Add(const os::InotifyEvent& event, bool known, base::MonoTime now);
  // Earliest due time.
  std::optional<base::MonoTime> Next() const;
  // Forgets the names that are due; a look at the directory follows. True when there were any.
  bool TakeDue(base::MonoTime now);
  // Names that must not be judged now.
  std::set<std::string> Pending() const;
  // Names that came due and were deleted before, whether or not they are there again. Those of
  // `but` are kept for the next call.
  std::set<std::string> TakeDeleted(const std::set<std::string>& but);

 private:
  enum class Fate { kThere, kMovedAway, kDeleted };
  struct Name {
    base::MonoTime first, due;
    std::optional<base::MonoTime> open_since;  // modified and not closed yet
    Fate fate = Fate::kThere;                  // of the file that was there before the burst
  };
  static void Follow(Fate& fate, uint32_t mask);

  Options options_;
  std::map<std::string, Name> names_;
  std::set<std::string> deleted_;
  uint32_t last_move_ = 0;  // cookie of the last move away from a visible name
};

}  // namespace kubelet::source
