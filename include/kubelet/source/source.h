// Where static pods come from: a directory or file, and a URL. First station of the way through the
// house; the desired set (podstore) takes what a source delivers.
//
// A source delivers the full set of *its* pods, on the core loop, whenever the set changed and once
// at first. The rule of both: **last good wins**. Input that cannot be read, decoded, validated, or
// that claims a pod another manifest already provides, changes nothing that runs; it becomes a
// Problem. Only a deliberate act removes a pod: the file is gone from a directory that is there, or
// a well-formed list does not name the pod any more. Upstream instead drops the pod of a bad file
// at the next list (pkg/kubelet/config/file_linux.go, file.go).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kubelet/api/types.h"
#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/clock.h"
#include "kubelet/client/proxy.h"
#include "kubelet/source/manifest.h"

namespace kubelet::source {

inline constexpr char kFileSource[] = "file";
inline constexpr char kUrlSource[] = "http";

struct Snapshot {
  std::string source;             // value of config.source
  std::vector<api::PodPtr> pods;  // no two with one full name or uid
  // False: pods may be missing (the first look failed), so nothing may be removed on its account.
  bool complete = true;
};

// Something about the input that a person should mend; for metrics, the local API and `kubelet
// explain`.
struct Problem {
  enum class Severity { kWarning, kError };  // warning: accepted nevertheless
  Severity severity = Severity::kError;
  std::string origin;  // path or URL
  std::string pod;     // namespace/name, empty when unknown
  std::string text;    // `spec.containers[0].image: Required value`
  base::WallTime since;
  bool kept = false;  // a last good version is served in its place
  bool Same(const Problem& o) const {
    return severity == o.severity && origin == o.origin && pod == o.pod && text == o.text &&
           kept == o.kept;
  }
};

// Core-loop object. Destroy after Stop, or with the loop no longer running.
class PodSource {
 public:
  virtual ~PodSource() = default;
  // Once. Callbacks come from the loop, never from inside Start.
  virtual void Start() = 0;
  // Cancels what is under way; no callback after it.
  virtual base::Task<void> Stop() = 0;
  virtual const std::string& name() const = 0;
  // In the order of their origins.
  virtual std::vector<Problem> problems() const = 0;
};

struct SourceDeps {
  base::Executor executor;
  base::Clock& clock;
  base::BlockingPool& pool;
  std::function<void(const Snapshot&)> on_snapshot;
  std::function<void()> on_problem_change;  // may be empty
};

// staticPodPath: every visible regular file of a directory (not recursive, any extension, symbolic
// links followed), or one file. Changes are seen by inotify at once, and by a full list every
// `check_period`.
//
// Per file the last good version is served until the file is deleted. Beyond that:
//  - A pod claimed by two files stays with the file that has it. At first start the names *.yaml,
//    *.yml, *.json and *.manifest come before others (x.yaml before a forgotten a.bak), then the
//    order of the names.
//  - A file that is deleted and written again, however soon, is a pod removed and added, also with
//    the same text. A save is no deletion: writing in place, moving a new file over the old one,
//    moving the old one away first.
//  - A file renamed within the directory keeps the uid of its pod although the path is part of the
//    uid (upstream restarts it); the checkpoint remembers the name it had.
//  - A directory that is gone or unreadable keeps its pods. One that was replaced (another inode:
//    unmounted, moved) and lacks a file keeps that pod for `directory_hold`; a file deleted from
//    the directory it was read from is removed at once.
//  - The last good versions are kept under `state_dir`/static_pods, so that a restart of the
//    kubelet, or a kubelet update, changes neither the pods of bad files nor any uid.
struct FileSourceOptions {
  std::string path;
  std::string node_name;
  std::string state_dir;  // kubelet root directory; empty: no checkpoints
  base::Nanos check_period = std::chrono::seconds(20);  // fileCheckFrequency
  base::Nanos directory_hold = std::chrono::minutes(5);
  bool remove_when_directory_gone = false;  // after the hold; else its pods stay, loudly
  // A name is judged when it was quiet for `quiet`, at the latest `burst_limit` after its first
  // event, at once when its writer closed it; a writer that has not closed it gets `writer_hold`.
  base::Nanos quiet = std::chrono::milliseconds(20);
  base::Nanos burst_limit = std::chrono::milliseconds(200);
  base::Nanos writer_hold = std::chrono::seconds(1);
  base::Nanos rewatch_period = std::chrono::seconds(1);  // while there is no directory to watch
  base::Nanos io_timeout = std::chrono::seconds(5);      // per file
  References references = References::kRefused;
  Judge judge = JudgeManifest;
};
std::unique_ptr<PodSource> MakeFileSource(FileSourceOptions options, SourceDeps deps);

// staticPodURL: a Pod or a PodList, in JSON or YAML, fetched every `check_period`.
//
// Only a 200 with a body counts. The same body as before does nothing. Differences from upstream:
// an empty body is an error and removes nothing (a PodList without items removes all); one bad item
// of a list does not reject the others, and keeps its own last good version by name. The pods that
// are served are kept under `state_dir`/static_pods: after a restart of the kubelet they are
// delivered when the URL has not answered within `restore_after`, or its answer is of no use.
struct UrlSourceOptions {
  std::string url;
  std::string node_name;
  std::string state_dir;  // kubelet root directory; empty: no checkpoint
  // Sent in this order with every request; a name may come more than once.
  std::vector<std::pair<std::string, std::string>> headers;
  base::Nanos check_period = std::chrono::seconds(20);  // httpCheckFrequency
  base::Nanos timeout = std::chrono::seconds(10);       // of the whole request, redirects included
  base::Nanos restore_after = std::chrono::seconds(1);
  client::ProxyEnvironment proxy = client::ProxyEnvironment::FromProcess();
  std::string ca_file;  // instead of the system's roots; for tests
  References references = References::kRefused;
};
std::unique_ptr<PodSource> MakeUrlSource(UrlSourceOptions options, SourceDeps deps);

}  // namespace kubelet::source
