// The desired set: what all sources together want on this node, and which of them have spoken.
//
// Sources deliver full snapshots; the store works out what was added, changed and removed. Core loop only.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kubelet/api/types.h"

namespace kubelet::podstore {

struct Changes {
  std::vector<api::PodPtr> added;
  std::vector<api::PodPtr> updated;       // same uid; other spec, labels, annotations or deletion
  std::vector<api::PodPtr> reconciled;    // only the status, as the API shows it, differs
  std::vector<api::PodPtr> removed;       // as they were last wanted
  std::vector<std::string> conflicts;     // pods refused, in words
};

class PodStore {
 public:
  // Sources that will deliver; a pod of a source not named here belongs to nobody.
  explicit PodStore(std::set<std::string> sources) : sources_(std::move(sources)) {}

  // `pods` is everything `source` wants. Within it the first of two pods with one full name, and with one uid,
  // wins; the others become conflicts. A pod that was there as this very object is not compared. `complete` false: pods may be missing, nothing is removed.
  Changes Apply(const std::string& source, const std::vector<api::PodPtr>& pods, bool complete);

  // Replaces the uid of a static pod by that of a running pod it was matched with (another kubelet's naming of
  // the same manifest). Later snapshots with the manifest's own uid are mapped the same way. `resized`: it is a pod of
  // our own whose manifest was edited in CPU or memory only; Apply finds those by itself while the pod is wanted.
  api::PodPtr Adopt(const std::string& manifest_uid, const std::string& running_uid, bool resized = false);

  api::PodPtr Get(const std::string& uid) const;
  bool Wanted(const std::string& uid) const { return pods_.contains(uid); }
  std::vector<api::PodPtr> All() const;
  // The source has delivered a complete set, or is not configured at all.
  bool Complete(const std::string& source) const;
  bool AllComplete() const;

 private:
  void KeepResized(const std::string& source, const std::vector<api::PodPtr>& pods);
  api::PodPtr Mapped(const api::PodPtr& pod) const;
  static void Compare(api::PodPtr& known, const api::PodPtr& pod, Changes& changes);
  struct Wanted_ {
    std::string source;
    api::PodPtr pod;
  };
  std::set<std::string> sources_;
  std::set<std::string> complete_;
  std::map<std::string, Wanted_> pods_;
  struct Adopted {
    std::string uid;
    bool resized = false;
  };
  std::map<std::string, Adopted> adopted_;  // by the uid of the manifest
};

// The pod under another uid: metadata.uid and config.hash change; kManifestAnnotation, where there is none yet, keeps
// the first one. The config.hash of a resized pod stays its manifest's, so that its mirror is made anew (kubeadm waits for
// that); api::kStaticUid tells uids apart.
api::PodPtr WithUid(const api::core::Pod& pod, const std::string& uid, bool resized = false);

}  // namespace kubelet::podstore
