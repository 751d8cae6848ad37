// The one-way life of a pod on this node, as a pure state machine.
//
//  state \ event | name free  | end wanted         | stop wanted            | nothing runs | cleaned up
//  --------------+------------+--------------------+------------------------+--------------+-----------
//  Waiting       | Syncing    | Ending             | Finished (never began) | -            | -
//  Syncing       | -          | Ending             | Terminating            | -            | -
//  Ending        | -          | Ending (shorter)   | Terminating (shorter)  | Retiring     | -
//  Retiring      | -          | -                  | Terminating            | -            | Ended
//  Ended         | -          | -                  | Terminating            | -            | -
//  Terminating   | -          | Terminating (sh.)  | Terminating (shorter)  | Removing     | -
//  Removing      | -          | -                  | -                      | -            | Finished
//  Finished      | -          | -                  | -                      | -            | -
//
// Everything not named leaves the state as it is. Waiting: another static pod of the same full name has not ended, or pods
// that are preempted for this one have not; `name free` says that both are over.
// End: the pod is over, but its object is still there (it ran to its end, was rejected or evicted, exceeded its
// deadline, or the API shows a terminal phase): it is stopped, its volumes and cgroup go, its containers stay for
// their logs. Stop: the pod is deleted or no source wants it: containers, files, everything goes.
#pragma once

#include <chrono>
#include <string>
#include <variant>

namespace kubelet::worker {

struct Waiting {};
struct Syncing {};
struct Ending {
  std::chrono::seconds grace{30};
  std::string reason;
};
struct Retiring {};
struct Ended {};
struct Terminating {
  std::chrono::seconds grace{30};
  std::string reason;
};
struct Removing {};
struct Finished {};
using State = std::variant<Waiting, Syncing, Ending, Retiring, Ended, Terminating, Removing, Finished>;

struct NameFree {};
// The grace period can only become shorter; 1 s is the least.
struct EndWanted {
  std::chrono::seconds grace{30};
  std::string reason;
};
struct StopWanted {
  std::chrono::seconds grace{30};
  std::string reason;
};
struct NothingRuns {};
struct CleanedUp {};
using Event = std::variant<NameFree, EndWanted, StopWanted, NothingRuns, CleanedUp>;

State Next(const State& state, const Event& event);
const char* Name(const State& state);

// Something of the pod may run, or may yet be started: no terminal phase may be shown for it.
bool CouldRun(const State& state);
// It is to end or has ended: nothing is started or restarted any more.
bool IsOver(const State& state);

}  // namespace kubelet::worker
