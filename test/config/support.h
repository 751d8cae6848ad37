// A tree of files that stands for `/`, and short ways to parse and load.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "catch.h"
#include "kubelet/base/status.h"
#include "kubelet/config/config.h"

namespace kubelet::config {

class TempTree {
 public:
  TempTree() {
    std::string name = (std::filesystem::temp_directory_path() / "kubelet-config-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    root_ = name;
  }
  ~TempTree() { std::filesystem::remove_all(root_); }
  TempTree(const TempTree&) = delete;
  TempTree& operator=(const TempTree&) = delete;

  void Write(const std::string& path, const std::string& text) const {
    std::filesystem::path full = root_ + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  FileReader Reader(const std::string& working_directory = "/") const {
    return FileReader(root_, working_directory);
  }
  const std::string& root() const { return root_; }

 private:
  std::string root_;
};

inline std::string ParseError(const std::vector<std::string>& args) {
  return base::Message(ParseCommandLine(args).status());
}

inline absl::StatusOr<LoadedConfig> LoadArgs(const std::vector<std::string>& args,
                                             const FileReader& files) {
  absl::StatusOr<CommandLine> line = ParseCommandLine(args);
  if (!line.ok()) return line.status();
  return Load(*line, files);
}

// Loads what must be valid.
inline LoadedConfig MustLoad(const std::vector<std::string>& args,
                             const FileReader& files = FileReader("", "/")) {
  absl::StatusOr<LoadedConfig> loaded = LoadArgs(args, files);
  INFO(loaded.status().ToString());
  REQUIRE(loaded.ok());
  return *std::move(loaded);
}

inline std::string LoadError(const std::vector<std::string>& args,
                             const FileReader& files = FileReader("", "/")) {
  absl::StatusOr<LoadedConfig> loaded = LoadArgs(args, files);
  REQUIRE_FALSE(loaded.ok());
  return base::Message(loaded.status());
}

inline bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Rows of a table of the facts, by column name; empty when there are none beside the sources.
inline std::vector<std::vector<std::string>> FactRows(const std::string& name) {
  const char* shared = std::getenv("KUBELET_SHARED");
  std::string dir = shared != nullptr ? shared : KUBELET_SOURCE_DIR "/../shared";
  if (shared == nullptr && !std::filesystem::exists(dir)) dir = KUBELET_SOURCE_DIR "/../../shared";
  std::ifstream in(dir + "/facts/" + name);
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> row;
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, '\t');) row.push_back(cell);
    rows.push_back(std::move(row));
  }
  if (rows.empty()) {
    WARN("SKIPPED: no " << name << " in " << dir << "/facts; set KUBELET_SHARED");
  } else {
    rows.erase(rows.begin());
  }
  return rows;
}

}  // namespace kubelet::config
