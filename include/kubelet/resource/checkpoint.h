// One small file that follows what its owner last wanted it to say, such as cpu_manager_state.
//
// Core loop object; writing is given to it (WriteOn: the BlockingPool). What is set in one moment
// is written once; a file that cannot be written is told and tried again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kubelet/base/async.h"
#include "kubelet/base/promise.h"
#include "kubelet/resource/allocation_file.h"

namespace kubelet::resource {

class Checkpoint {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    WriteFile write;
  };
  Checkpoint(Deps deps, std::string path);

  const std::string& path() const { return path_; }
  // Blocks; once, before the loop runs. nullopt: there is none. Else the codes of
  // os::ReadRegularFile.
  absl::StatusOr<std::optional<std::string>> Load();
  // Written soon, unless the file says so already.
  void Set(std::string text);
  // Returns when everything set before is on disk, or could not be written once (that is logged).
  base::Task<void> Flushed();

 private:
  base::Task<void> Write();

  Deps deps_;
  std::string path_;
  std::string wanted_, written_;
  bool writing_ = false;
  std::vector<base::Promise<bool>> waiting_;
  base::TaskScope scope_;
};

}  // namespace kubelet::resource
