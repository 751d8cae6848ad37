// What calls for volumes ask and may wait for: mounts, servers, paths. Which pods ask there now,
// since when, and which have failed there. When a place answers again its pods are woken, so that
// none waits out its back-off:
// - a call of another pod was answered there,
// - a mount that let a call run into its deadline answers a look that goes on without one (a child
//   in statfs(2), os::ChildCalls::AwaitAnswer),
// - the mount table shows something else at the path that failed, as after a remount.
// Nothing runs while no pod waits. Core loop only.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/os/child_call.h"
#include "kubelet/os/mount_watch.h"

namespace kubelet::volume {

// A look that takes longer says something about the place, not about the load.
inline constexpr base::Nanos kSlow = std::chrono::seconds(1);

struct Place {
  std::string name;   // what may not answer, as messages have it: `the mount /mnt (nfs server:/x)`
  std::string path;   // what is looked for, on this machine; may be empty
  std::string probe;  // a mount point that a child may look at; empty: none may
  std::string doing;  // what goes on, when it is no question: `giving its files to group 5`
};

class Places {
  struct State;

 public:
  // Called when a pod that failed at a place may try again.
  using OnAnswer = std::function<void(const std::string& uid)>;
  Places(base::Executor executor, base::Clock& clock, base::BlockingPool& pool,
         os::ChildCalls& calls, OnAnswer on_answer);
  ~Places();

  // One question, asked until this object is gone.
  class Question {
   public:
    Question(Question&& other) noexcept : state_(std::move(other.state_)), id_(other.id_) {}
    Question& operator=(Question&&) = delete;
    ~Question();
    // OK: those who failed there are woken. Unavailable and DeadlineExceeded: the pod waits for the
    // place; after other failures for its path, where something else may be mounted later.
    void Ended(const absl::Status& status);

   private:
    friend class Places;
    Question(std::shared_ptr<State> state, uint64_t id) : state_(std::move(state)), id_(id) {}
    std::shared_ptr<State> state_;
    uint64_t id_;
  };
  // `volume` empty: the pod's volumes are being taken away.
  Question Ask(const std::string& uid, const std::string& volume, Place place);

  // Something that hung at this place has ended.
  void Answered(const std::string& name);
  void Forget(const std::string& uid);

  // In words: what of this pod has waited for an answer for more than a second.
  std::vector<std::string> Explain(const std::string& uid) const;

 private:
  static base::Task<void> Watch(std::shared_ptr<State> state, std::string name);
  static base::Task<void> Look(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace kubelet::volume
