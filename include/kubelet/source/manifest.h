// From the text of a manifest to the static pod it means: decode, default, name, identify,
// validate. Pure functions; thread safe.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/api/types.h"
#include "kubelet/base/time.h"

namespace kubelet::source {

// Longest manifest or response body (10 * 2^20 bytes, as upstream).
inline constexpr size_t kMaxManifest = 10u << 20;

// What of the API a static pod may name. kRefused: nothing (the gate PreventStaticPodAPIReferences).
// kLocalObjects: ConfigMaps and Secrets, in volumes and variables; they come from local files
// (local_objects.h). kAllowed: everything but resource claims and projected cluster trust bundles.
enum class References { kRefused, kLocalObjects, kAllowed };

// Where a manifest comes from; part of the pod's identity.
struct Origin {
  enum class Kind { kFile, kHttp };
  Kind kind = Kind::kFile;
  std::string location;  // path of the file, or the URL
  std::string node_name;
  base::WallTime seen;  // becomes config.seen
  References references = References::kRefused;
};

// What a manifest is worth. `pod` is null exactly when there are errors.
struct Judged {
  api::PodPtr pod;
  std::string name;  // namespace/name with the node suffix, as far as it could be read
  std::vector<std::string>
      errors;  // `spec.containers[0].image: Required value`; all that were found
  std::vector<std::string>
      warnings;  // unknown fields, further documents: ignored, as upstream does
};
using Judge = std::function<Judged(const std::string& text, const Origin& origin)>;

// One document with one Pod. Steps: YAML or JSON -> Pod; API defaults; metadata.uid kept, or the uid
// that the Go kubelet gives this manifest: FNV-1a-128 over its dump of the defaulted pod
// (source/go_dump.h) and the origin (`host:<node>` `file:<path>`, or `url:<url>`), with the
// annotation `kubelet.cpp/manifest`, a hash over the pod's JSON and the origin: what earlier builds
// of this kubelet used for uid, so that their pods are known again; name suffix `-<node in lower case>`; namespace `default`; spec.nodeName;
// annotations config.hash, config.source, config.seen; for files the toleration of every NoExecute
// taint; phase Pending; validation as for create; no references to API objects. The uid is a
// function of meaning and place: comments, blanks and key order do not change it. Stricter than
// upstream: a key given twice is an error. As lenient: unknown fields are dropped, with a warning.
Judged JudgeManifest(const std::string& text, const Origin& origin);

// The same for a Pod or a PodList, one entry per item in their order. A document that is neither,
// or cannot be read, is one entry without name. No entries: a list without items.
std::vector<Judged> JudgeManifests(const std::string& text, const Origin& origin);

// JudgeManifest as a status. InvalidArgument: `file /x.yaml: pod ns/name: field: what; field:
// what`. The caller keeps what it had.
absl::StatusOr<api::PodPtr> DecodeManifest(const std::string& text, const Origin& origin,
                                           std::vector<std::string>* warnings = nullptr);

// A copy of `pod` under another uid (config.hash follows) and first-seen time.
api::PodPtr WithIdentity(const api::core::Pod& pod, const std::string& uid,
                         const std::string& seen);

// For `kubelet validate FILE...`: reads the files (blocking), writes every error and warning of
// every file and what each would run as, and reports pods that two files claim. Returns the exit
// code: 0 when all are good, 1 when any is not. A directory stands for the manifests the kubelet
// would read from it.
int ValidateFiles(const std::vector<std::string>& files, const std::string& node_name,
                  std::ostream& out, References references = References::kRefused);

}  // namespace kubelet::source
