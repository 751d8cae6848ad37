// Calls that may hang for as long as a dead server likes, each in a process of its own: our own
// program started again with a hidden sub-command (posix_spawn: no page table of ours is copied, no
// thread waits). SIGKILL at the deadline. A child that the kernel does not let go is left behind,
// and counted against what it hangs on until it has ended; meanwhile whoever asks for the same
// mount is told so at once.
//
// A call costs about 7 ms of CPU, so it is for what MayHang (os/mount.h) warns of; all else belongs
// on the BlockingPool. Core loop object. Children die with us.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/os/process.h"

namespace kubelet::os {

// What runs in a child: arguments and result are bytes without NUL.
using CallFunction = absl::StatusOr<std::string> (*)(const std::vector<std::string>& args);
using CallTable = std::map<std::string, CallFunction>;

// The first argument of such a child; our process id, the name of the call and its arguments come
// next.
inline constexpr char kChildCallWord[] = "child-call";
// What the program does then, with the arguments after that word; the result is its exit code.
// `more` besides those of this room (`stat PATH` tells the mode, `statfs PATH` the block size and
// then blocks, free, available, inodes, free inodes, `unmount-below DIR now|lazy`).
int ServeChildCall(const std::vector<std::string>& args, const CallTable& more);

class ChildCalls {
 public:
  struct Options {
    std::string program = "/proc/self/exe";
    size_t per_mount = 4;  // children at a time; others wait their turn
  };
  ChildCalls(base::Executor executor, base::Clock& clock, base::BlockingPool& pool,
             Options options);
  ~ChildCalls();

  // The place on which a call may hang, as messages name it (`/mnt (nfs 192.0.2.1:/export)`), and
  // who asks (`pod default/web volume "data"`).
  struct On {
    std::string mount, about;
    // A call that takes longer says something about the mount.
    base::Nanos slow = std::chrono::seconds(1);
  };
  // The result of the function, its status passed on. DeadlineExceeded: killed; Unavailable: the
  // mount does not answer others either, and the message says since when and whom.
  base::Task<absl::StatusOr<std::string>> Run(On on, std::string call,
                                              std::vector<std::string> args, base::Nanos timeout);
  // The same for another program, such as mount(8).
  base::Task<absl::StatusOr<ProcessResult>> RunProgram(On on, ProcessRequest request);

  // Looks at `path`, which lies on a mount that did not answer since then, for as long as that
  // takes: one child, without a deadline, in whose time others who ask for the mount are told that
  // it does not answer. OK: there was an answer, be it an error. Cancelling ends it.
  base::Task<absl::Status> AwaitAnswer(On on, std::string path, base::WallTime since);

  // What does not answer now, oldest first.
  struct Hung {
    std::string mount, about;
    base::WallTime since;
    size_t children = 0;
  };
  std::vector<Hung> HungMounts() const;
  // OK, or Unavailable as Run says it.
  absl::Status Check(const std::string& mount) const;

 private:
  struct State;
  struct Call;
  base::Task<absl::StatusOr<ProcessResult>> RunCall(Call call, std::string mount,
                                                    ProcessRequest request);
  ProcessRequest RequestFor(const std::string& call, const std::vector<std::string>& args) const;

  base::Executor executor_;
  base::Clock& clock_;
  base::BlockingPool& pool_;
  Options options_;
  std::shared_ptr<State> state_;  // shared with children that outlive us
};

}  // namespace kubelet::os
