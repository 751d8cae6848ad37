// ConfigMaps and Secrets out of local files, for static pods: --local-objects-dir. An addition of
// ours; without the flag nothing of this exists and static pods name no object, as upstream.
//
// The directory is read as the manifests are: every visible regular file (not recursive, links
// followed), by inotify at once and by a full list every `check_period`. A file holds one or more
// YAML documents or one JSON object: ConfigMap, Secret, ConfigMapList, SecretList, List of them. An
// object without namespace is of `default`.
//
// Last good wins, file by file: one that cannot be read, decoded or validated, or that names an
// object which another file has, changes nothing and becomes a Problem. Only a file that is deleted
// from the directory takes its objects with it; a directory that is away keeps all. Nothing is kept
// over a restart, so that no secret is copied to a disk: volumes that are mounted stay as they are.
//
// Memory holds what the files hold, once. Core loop; files are read on the BlockingPool.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "k8s/core/v1/config.pb.h"
#include "kubelet/source/source.h"

namespace kubelet::source {

struct LocalObjectsOptions {
  std::string path;
  base::Nanos check_period = std::chrono::seconds(20);  // fileCheckFrequency
  // As of FileSourceOptions.
  base::Nanos quiet = std::chrono::milliseconds(20);
  base::Nanos burst_limit = std::chrono::milliseconds(200);
  base::Nanos writer_hold = std::chrono::seconds(1);
  base::Nanos rewatch_period = std::chrono::seconds(1);
  base::Nanos io_timeout = std::chrono::seconds(5);
};

class LocalObjects {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    // An object is another, new or gone. From the loop, never inside Start.
    std::function<void(const std::string& ns, const std::string& name)> on_change;
    std::function<void()> on_problem_change;  // may be empty
  };
  LocalObjects(LocalObjectsOptions options, Deps deps);
  ~LocalObjects();

  void Start();  // once
  base::Task<void> Stop();

  // NotFound: no file has it. Unavailable: the directory was not read yet; on_change follows.
  absl::StatusOr<std::shared_ptr<const api::core::ConfigMap>> ConfigMap(
      const std::string& ns, const std::string& name) const;
  absl::StatusOr<std::shared_ptr<const api::core::Secret>> Secret(const std::string& ns,
                                                                  const std::string& name) const;
  // In the order of the files.
  std::vector<Problem> problems() const;
  // For tests: looks finished so far, and whether nothing is under way or due.
  uint64_t looks() const;
  bool idle() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What one file is worth; for `kubelet validate` too. Pure.
struct JudgedObjects {
  std::vector<std::shared_ptr<const api::core::ConfigMap>> config_maps;
  std::vector<std::shared_ptr<const api::core::Secret>> secrets;
  // `ConfigMap default/app: data[a b]: Invalid value: ...`; with `document 2: ` where there are
  // several. No message shows a value of a Secret.
  std::vector<std::string> errors, warnings;
};
JudgedObjects JudgeObjects(const std::string& text);

// For `kubelet validate --local-objects-dir`: reads the directory (blocking) and writes every error
// and warning of every file. 0 when all are good.
int ValidateLocalObjects(const std::string& directory, std::ostream& out);

}  // namespace kubelet::source
