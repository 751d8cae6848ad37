// The one-way life of a pod on this node, as a pure state machine.
//
//  state \ event | name free  | ran to end | stop wanted            | nothing runs | cleaned up
//  --------------+------------+------------+------------------------+--------------+-----------
//  Waiting       | Syncing    | -          | Finished (never began) | -            | -
//  Syncing       | -          | Ended      | Terminating            | -            | -
//  Ended         | -          | -          | Terminating            | -            | -
//  Terminating   | -          | -          | Terminating (shorter)  | Removing     | -
//  Removing      | -          | -          | -                      | -            | Finished
//  Finished      | -          | -          | -                      | -            | -
//
// Everything not named leaves the state as it is. Waiting: another pod of the same full name has not ended.
// Ended: its containers ran to completion and it is still wanted; they stay for their logs.
#pragma once

#include <chrono>
#include <string>
#include <variant>

namespace kubelet::worker {

struct Waiting {};
struct Syncing {};
struct Ended {};
struct Terminating {
  std::chrono::seconds grace{30};
  std::string reason;
};
struct Removing {};
struct Finished {};
using State = std::variant<Waiting, Syncing, Ended, Terminating, Removing, Finished>;

struct NameFree {};
struct RanToEnd {};
// The grace period can only become shorter; 1 s is the least.
struct StopWanted {
  std::chrono::seconds grace{30};
  std::string reason;
};
struct NothingRuns {};
struct CleanedUp {};
using Event = std::variant<NameFree, RanToEnd, StopWanted, NothingRuns, CleanedUp>;

State Next(const State& state, const Event& event);
const char* Name(const State& state);

}  // namespace kubelet::worker
