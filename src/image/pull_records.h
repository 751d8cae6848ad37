// What this node pulled and with whose credentials: decides whether a pod may use an image that is
// already there. Core loop only; files through the blocking pool. Facts:
// pkg/kubelet/images/pullmanager of 1.36.
//
//   <dir>/pulling/sha256-<hex of the image>    ImagePullIntent, there before a pull begins and gone
//   when it has ended <dir>/pulled/sha256-<hex of the image id>  ImagePulledRecord
//
// in the format of kubelet.config.k8s.io/v1beta1, so that a node may change kubelets; v1alpha1 is
// read and rewritten. All records are held in memory, a few hundred bytes each: a question never
// waits for the disk.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/metrics.h"
#include "kubelet/image/credential.h"
#include "kubelet/image/files.pb.h"
#include "kubelet/image/options.h"

namespace kubelet::image {

// Adds what a pull proved to what is known; false when that changes nothing. Pure. Credentials of
// the node or none at all open the image to every pod and drop the rest; secrets are unique by
// namespace, name and uid, the newest hash counts.
bool MergeCredentials(const files::ImagePullCredentials& more, files::ImagePullCredentials& known);
// The form of one credential; none: nullptr.
files::ImagePullCredentials ToPullCredentials(const Credential* credential);

// imagePullCredentialsVerificationPolicy: whether the pod has to show a credential for an image
// that is there.
bool MustVerify(const VerifyOptions& options, const std::string& image, bool pulled_by_kubelet);

class PullRecords {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    base::Registry* metrics = nullptr;
  };
  PullRecords(Deps deps, VerifyOptions options);

  // Reads the directory, once; before anything else. When that fails every question is answered
  // with kPull (unless nothing is ever verified), and the next Load tries again. A single record
  // that cannot be read counts as pulled with credentials that nobody has.
  base::Task<void> Load();
  bool loaded() const { return loaded_; }
  // An earlier process began these pulls and did not see their end. Given the images that are there
  // now, those that came about are recorded as pulled by nobody known, so that whoever wants them
  // has to show credentials.
  bool HasLeftovers() const { return !leftovers_.empty(); }
  base::Task<void> Adopt(std::vector<runtime::Image> images);

  enum class Verdict { kUse, kPull, kAskCredentials };
  // `image` as written in the pod, `id` of the image that is there.
  Verdict Check(const std::string& image, const std::string& id);
  // After kAskCredentials, with those of the pod. True: it may use the image. A credential that
  // matches in part (the same secret changed, or the same account in another secret) is remembered.
  base::Task<bool> CheckCredentials(std::string image, std::string id,
                                    std::vector<Credential> credentials);

  // Before a pull; each OK is followed by one Pulled or Failed. An error: do not pull.
  base::Task<absl::Status> Intend(std::string image);
  base::Task<void> Pulled(std::string image, std::string id,
                          files::ImagePullCredentials credentials);
  base::Task<void> Failed(std::string image);

  // Forgets records of images that are not in `ids` and were not updated since `until`.
  base::Task<void> Prune(std::set<std::string> ids, base::WallTime until);

  size_t size() const { return records_.size(); }
  const files::ImagePulledRecord* Find(const std::string& id) const;

  static constexpr size_t kMostRemembered =
      100;  // secrets of one image that are added without a pull

 private:
  base::Task<absl::Status> SaveRecord(std::string id);
  base::Task<absl::Status> SaveIntent(std::string image);
  base::Task<absl::Status> Store(std::string path, std::string text);
  bool Remember(const std::string& image, const std::string& id,
                const files::ImagePullCredentials& more);
  void Count(const char* result);
  void ShowSizes();

  Deps deps_;
  VerifyOptions options_;
  bool loaded_ = false;
  std::map<std::string, files::ImagePulledRecord> records_;  // by image id
  std::map<std::string, int> pulling_;                       // by image, pulls under way
  std::set<std::string> leftovers_;                          // intents of earlier processes
  std::set<std::string> unreadable_;                         // names of files in pulled/
  base::Semaphore writer_;  // one at a time, and what is written is what is known then
  base::Family<base::Counter>* checks_ = nullptr;
  base::Family<base::Gauge>* intents_shown_ = nullptr;
  base::Family<base::Gauge>* records_shown_ = nullptr;
};

}  // namespace kubelet::image
