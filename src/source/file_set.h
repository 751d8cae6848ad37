// The decisions of the file source: what each listing of the manifest directory changes. Pure: no
// files, no clock.
//
// Per file                     what is served                              problem
//   valid                      the new pod (same meaning: the old object)  -
//   bad, empty, unreadable     last good                                   its errors
//   valid, claims a pod (full  last good of this file; taken over when     who has the pod
//   name or uid) of another    the other gives it up
//   file
//   gone, its content or inode the same pod with the same uid, now of      -
//   under another name         that name
//   gone                       nothing: removed                            -
//   deleted, and there again   the new pod; with the uid of the old one it -
//                              is told of as removed and added
//   deleted, and now bad       last good: a bad file removes nothing       its errors
//   gone, and the directory is last good for `directory_hold`, then        directory was replaced
//   another one                nothing
//   held (changing right now)  as before                                   as before
// Directory missing or unreadable: everything as before, problem; removed after the hold only when
// so configured.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kubelet/os/file.h"
#include "kubelet/source/source.h"
#include "source/checkpoint.h"

namespace kubelet::source {

struct Reading {
  absl::Status status;
  std::string text;
  os::FileId id;
  bool skipped =
      false;  // a directory or the like: no manifest, and worth a problem only when one was there
};

struct Listing {
  absl::Status directory;
  os::FileId directory_id;
  std::map<std::string, Reading> files;  // by path
  std::set<std::string> held;            // paths not to be judged or removed now
  std::set<std::string> deleted;         // whose file was deleted since the last listing
};

class FileSet {
 public:
  struct Options {
    std::string path;  // configured
    std::string node_name;
    base::Nanos directory_hold;
    bool remove_when_directory_gone = false;
    References references = References::kRefused;
    Judge judge;
  };
  explicit FileSet(Options options) : options_(std::move(options)) {}

  // Before the first listing. A checkpoint of another configured path, or that does not decode any
  // more, is dropped; one of another node name gives its content but not its uid.
  void Restore(const Checkpoint& checkpoint);
  // True when the set of pods or one of them changed.
  bool Apply(Listing listing, base::WallTime now, base::MonoTime mono);

  std::vector<api::PodPtr> Pods() const;
  std::vector<Problem> Problems() const;
  bool Has(const std::string& path) const { return entries_.contains(path); }
  // Uids of pods that the last listing has, and that were removed before it: their manifest was
  // deleted and written anew.
  const std::set<std::string>& removed() const { return removed_; }
  // When something will change without an event: a hold that ends.
  std::optional<base::MonoTime> NextDeadline() const;

  // What has not been saved yet; and which paths should have a checkpoint.
  std::vector<Checkpoint> Unsaved() const;
  void MarkSaved(const Checkpoint& checkpoint);
  std::set<std::string> ServedPaths() const;

 private:
  struct Served {
    api::PodPtr pod;
    std::string identity_path;
    std::string computed_uid;  // what the judge gave; differs from the pod's after a kubelet update
    std::string content;       // id of `text`
    std::string text;
    os::FileId file, directory;
    bool saved = false;
  };
  struct Entry {
    std::optional<Served> served;
    Judged latest;               // of the content last seen; no pod and no errors: not judged yet
    std::string latest_content;  // its id; empty when it could not be read
    std::string latest_text;     // while it is a candidate
    struct {
      os::FileId file, directory;
    } found;               // where the content last seen was read
    std::string conflict;  // why a valid content is not served
    std::optional<base::MonoTime> missing_since;
    std::vector<Problem> problems;
  };
  using Entries = std::map<std::string, Entry>;

  bool DirectoryFailed(const absl::Status& status, base::WallTime now, base::MonoTime mono);
  using Contents = std::map<std::string, std::string>;  // path -> id of the text, of readable files
  void FollowMoves(const Listing& listing, const Contents& contents);
  bool Lost(const std::string& path, const Entry& entry, const Listing& listing,
            const Contents& contents) const;
  std::string Destination(const std::string& path, const Served& served, const Listing& listing,
                          const Contents& contents, const std::set<std::string>& lost) const;
  void DropGone(const Listing& listing, base::MonoTime mono);
  void JudgeFiles(Listing& listing, const Contents& contents, base::WallTime now);
  using Uids = std::map<std::string, std::string>;  // path -> uid that is served
  Uids Deleted(const Listing& listing) const;
  void Renew(const Uids& deleted, base::WallTime now);
  std::map<std::string, std::string> Losers(const std::set<std::string>& accepted) const;
  void ResolveClaims();
  bool AcceptCandidates();
  void Accept(const std::string& path, Entry& entry);
  void UpdateProblems(base::WallTime now);

  Options options_;
  Entries entries_;
  std::set<std::string> removed_;
  std::optional<Problem> directory_problem_;
  std::optional<base::MonoTime> directory_gone_since_;
};

// Names with a manifest extension come first, then by bytes: the order in which files claim pods.
bool ClaimsBefore(const std::string& a, const std::string& b);

}  // namespace kubelet::source
