// How the config room sees files: a root below which every path lies, so that a test can fake `/`.
// Blocking; used before the core loop starts. Immutable, hence thread safe.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::config {

class FileReader {
 public:
  // The real tree and the working directory of the process.
  FileReader();
  // Absolute paths are looked up below `root`; relative ones start at `working_directory`, a path
  // inside the root.
  FileReader(std::string root, std::string working_directory);

  // Whole content. Codes of base::ErrnoStatus; InvalidArgument when it is longer than 10 MiB or no
  // regular file.
  absl::StatusOr<std::string> Read(const std::string& path) const;

  // Everything below `dir` that is no directory, in lexical walk order: the entries of each
  // directory by name, a subdirectory's entries at the place of its name. Symbolic links are not
  // entered (filepath.WalkDir).
  absl::StatusOr<std::vector<std::string>> Walk(const std::string& dir) const;

  // The path made absolute and clean, without looking at the disk.
  std::string Absolute(const std::string& path) const;

 private:
  std::string root_;
  std::string working_directory_;
};

}  // namespace kubelet::config
