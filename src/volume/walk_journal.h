// Which directories of a walk are through, on disk: what a killed walk leaves to the next one.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

namespace kubelet::volume {

// A header line that tells one walk from another, then 8 bytes for each directory. Losing it costs
// time only, so no error stops the walk. `Has` and `Add` from any thread.
class WalkJournal {
 public:
  // Reads what is there when it has the same header, else starts anew. An empty path: does nothing.
  WalkJournal(std::string path, const std::string& header);
  ~WalkJournal();
  bool Has(uint64_t directory) const { return done_.contains(directory); }
  void Add(uint64_t directory);
  // The walk has ended: the file goes.
  void Finish();

 private:
  void Flush();
  std::string path_;
  int fd_ = -1;
  std::unordered_set<uint64_t> done_;  // of earlier walks
  std::mutex mutex_;
  std::vector<uint64_t> pending_;
};

}  // namespace kubelet::volume
