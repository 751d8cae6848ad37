// The decisions of LocalObjects: what each listing of the directory changes. Pure: no files, no
// clock.
//
// Per file                       what is served           problem
//   valid                        its objects              -
//   bad, empty, unreadable       last good                its errors
//   valid, names an object that  last good                which, and who has it
//   another file serves
//   gone                         nothing                  -
//   gone, and the directory is   last good for            directory was replaced
//   another one                  `directory_hold`
//   held (changing right now)    as before                as before
// Directory missing or unreadable: everything as before, and a problem.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kubelet/client/api.h"
#include "kubelet/source/local_objects.h"
#include "source/file_set.h"

namespace kubelet::source {

struct LocalKey {
  bool secret = false;
  std::string ns, name;
  auto operator<=>(const LocalKey&) const = default;
  std::string Text() const { return (secret ? "Secret " : "ConfigMap ") + ns + "/" + name; }
};

// Blocking: the whole directory.
Listing ReadLocalObjects(const std::string& path);

class LocalObjectSet {
 public:
  using Objects = std::map<LocalKey, client::MessagePtr>;
  LocalObjectSet(std::string path, base::Nanos directory_hold)
      : path_(std::move(path)), directory_hold_(directory_hold) {}

  // What is another now, new or gone.
  std::vector<LocalKey> Apply(Listing listing, base::WallTime now, base::MonoTime mono);
  const Objects& objects() const { return objects_; }
  // The directory was read once, or is known to be absent.
  bool read() const { return read_; }
  bool Has(const std::string& path) const { return files_.contains(path); }
  std::vector<Problem> Problems() const;
  // When a hold ends.
  std::optional<base::MonoTime> NextDeadline() const;

 private:
  struct File {
    Objects served, latest;
    bool fits = false;  // `latest` is whole and valid
    std::string content;
    os::FileId directory;
    std::optional<base::MonoTime> missing_since;
    std::vector<std::string> errors, warnings;
    std::string conflict;
    std::vector<Problem> problems;
  };
  void DropGone(const Listing& listing, base::MonoTime mono);
  void Judge(const Listing& listing);
  void Serve();
  bool Take(const std::string& path, File& file);
  std::vector<LocalKey> Collect();
  void UpdateProblems(base::WallTime now);

  std::string path_;
  base::Nanos directory_hold_;
  bool read_ = false;
  absl::Status directory_status_;
  std::optional<Problem> directory_problem_;
  std::map<std::string, File> files_;
  Objects objects_;
};

}  // namespace kubelet::source
