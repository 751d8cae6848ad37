// The configuration files, read again while the kubelet runs: on SIGHUP and when they change.
//
// What the process can change while it runs is taken over, all of it in one turn of the core loop;
// of the rest it is told that it needs a restart. Files that cannot be read, or do not pass the
// checks, change nothing. Flags keep their precedence. Certificates and client CAs are no part of
// it: their files are watched by those who use them. (Upstream reads its configuration once.)
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/config/config.h"
#include "kubelet/os/inotify.h"

namespace kubelet::app {

class Reload {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    std::vector<std::string> args;   // the command line
    config::LoadedConfig& in_force;  // what was taken over is changed here
    // Puts fields into force, with what else is there already. By JSON path; several may have one.
    std::map<std::string, std::function<void()>> live = {};
    // Null: the files of the command line. Tests.
    std::function<absl::StatusOr<config::LoadedConfig>()> load = {};
  };
  explicit Reload(Deps deps);
  ~Reload();

  // Watches the files. Nothing to do without any.
  void Start();
  // Returns when nothing is under way any more; before the object ends, unless the process does.
  base::Task<void> Stop();
  // Reads them now, and tells what came of it even when that is nothing.
  void Trigger();
  // Of the last reading, for people.
  std::string Report() const;

  struct Outcome {
    base::WallTime at;
    absl::Status status;               // not OK: nothing was changed
    std::vector<std::string> taken;    // by the last reading
    std::vector<std::string> restart;  // differ from what is in force
  };
  const std::optional<Outcome>& last() const { return last_; }

 private:
  base::Task<void> Watch();
  base::Task<void> Run();
  void Apply(absl::StatusOr<config::LoadedConfig> loaded, bool asked);

  Deps deps_;
  std::optional<Outcome> last_;
  bool asked_ = false;
  std::unique_ptr<os::Inotify> inotify_;
  base::WakeEvent wake_;
  base::TaskScope scope_;
};

}  // namespace kubelet::app
