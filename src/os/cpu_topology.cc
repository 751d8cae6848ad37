#include "kubelet/os/cpu_topology.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <sstream>
#include <tuple>

#include "kubelet/base/status.h"
#include "kubelet/os/file.h"
#include "kubelet/os/machine.h"
#include "os/fd.h"

namespace kubelet::os {
namespace {

constexpr int kFirstUncoreLevel = 3;

std::optional<std::string> TextOf(const std::string& path) {
  auto text = ReadSmallFile(AT_FDCWD, path, path);
  if (!text.ok()) return std::nullopt;
  return Trim(*text);
}

std::optional<int64_t> Number(const std::string& text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

absl::StatusOr<int> NumberIn(const std::string& path) {
  auto text = TextOf(path);
  auto value = text ? Number(*text) : std::nullopt;
  if (!value) return absl::FailedPreconditionError(path + ": cannot read a number there");
  return static_cast<int>(*value);
}

absl::StatusOr<std::vector<int>> ListIn(const std::string& path) {
  auto text = TextOf(path);
  if (!text) return absl::FailedPreconditionError(path + ": cannot be read");
  auto list = ParseCpuList(*text);
  if (!list.ok()) return absl::FailedPreconditionError(path + ": " + base::Message(list.status()));
  return list;
}

// Directories called `prefix` and a number, optionally followed by `suffix`.
std::map<int64_t, std::string> Numbered(const std::string& dir, const std::string& prefix,
                                        const std::string& suffix = "") {
  std::map<int64_t, std::string> out;
  auto listed = ListDirectory(dir);
  if (!listed.ok()) return out;
  for (const auto& name : listed->names) {
    if (name.size() <= prefix.size() + suffix.size() || name.rfind(prefix, 0) != 0) continue;
    if (name.substr(name.size() - suffix.size()) != suffix) continue;
    auto number = Number(name.substr(prefix.size(), name.size() - prefix.size() - suffix.size()));
    if (number && *number >= 0) out[*number] = dir + "/" + name;
  }
  return out;
}

// `Node 0 MemTotal:  1024 kB`
int64_t MemoryOf(const std::string& node_dir) {
  std::istringstream words(TextOf(node_dir + "/meminfo").value_or(""));
  for (std::string word; words >> word;) {
    int64_t kib = 0;
    if (word == "MemTotal:" && words >> kib) return kib * 1024;
  }
  return 0;
}

NumaNode ReadNode(int id, const std::string& dir) {
  NumaNode node;
  node.id = id;
  node.memory_bytes = MemoryOf(dir);
  for (const auto& [kib, sizes] : Numbered(dir + "/hugepages", "hugepages-", "kB"))
    node.huge_pages[kib * 1024] = Number(TextOf(sizes + "/nr_hugepages").value_or("")).value_or(0);
  std::istringstream distances(TextOf(dir + "/distance").value_or(""));
  for (int distance = 0; distances >> distance;) node.distances.push_back(distance);
  return node;
}

struct Cache {
  int id = 0;
  size_t cpus = 0;
};

// Above L2, in the kernel's order; a machine need not tell of caches.
std::vector<Cache> UncoreCaches(const std::string& cpu_dir) {
  std::vector<Cache> out;
  for (const auto& [index, dir] : Numbered(cpu_dir + "/cache", "index")) {
    auto level = NumberIn(dir + "/level");
    auto id = NumberIn(dir + "/id");
    auto shared = ListIn(dir + "/shared_cpu_list");
    if (level.ok() && *level >= kFirstUncoreLevel && id.ok() && shared.ok())
      out.push_back({*id, shared->size()});
  }
  return out;
}

class Reader {
 public:
  explicit Reader(const std::string& root) : system_(root + "/sys/devices/system") {}

  absl::StatusOr<CpuTopology> Read() {
    RETURN_IF_ERROR(ReadCpus());
    RETURN_IF_ERROR(ReadNodes());
    NameCores();
    FindCaches();
    return std::move(out_);
  }

 private:
  std::string CpuDir(int cpu) const { return system_ + "/cpu/cpu" + std::to_string(cpu); }

  absl::Status ReadCpus() {
    ASSIGN_OR_RETURN(auto online, ListIn(system_ + "/cpu/online"));
    for (int cpu : online) {
      CpuPlace place;
      place.cpu = cpu;
      ASSIGN_OR_RETURN(place.core, NumberIn(CpuDir(cpu) + "/topology/core_id"));
      ASSIGN_OR_RETURN(place.socket, NumberIn(CpuDir(cpu) + "/topology/physical_package_id"));
      place.numa = place.uncore = place.socket;
      out_.cpus.push_back(place);
    }
    if (out_.cpus.empty())
      return absl::FailedPreconditionError(system_ + "/cpu/online: no CPU is online");
    return absl::OkStatus();
  }

  absl::Status ReadNodes() {
    std::map<int, int> node_of;
    for (const auto& [id, dir] : Numbered(system_ + "/node", "node")) {
      out_.nodes.push_back(ReadNode(static_cast<int>(id), dir));
      ASSIGN_OR_RETURN(auto cpus, ListIn(dir + "/cpulist"));
      for (int cpu : cpus) node_of[cpu] = static_cast<int>(id);
    }
    if (out_.nodes.empty()) {
      std::set<int> sockets;
      for (const auto& place : out_.cpus) sockets.insert(place.socket);
      for (int socket : sockets) out_.nodes.push_back({socket, 0, {}, {}});
      return absl::OkStatus();
    }
    for (auto& place : out_.cpus) {
      auto node = node_of.find(place.cpu);
      if (node == node_of.end()) {
        return absl::FailedPreconditionError(system_ + "/node: CPU " + std::to_string(place.cpu) +
                                             " is online, but on no node");
      }
      place.numa = node->second;
    }
    return absl::OkStatus();
  }

  void NameCores() {
    std::map<std::tuple<int, int, int>, int> lowest;
    for (auto& place : out_.cpus) {
      auto key = std::make_tuple(place.numa, place.socket, place.core);
      place.core = lowest.emplace(key, place.cpu).first->second;
    }
  }

  // A cache of as many CPUs as the node has serves the node. They are counted as the Go kubelet
  // does it: cores of the node by threads of the core at hand.
  void FindCaches() {
    std::map<int, std::set<int>> cores;
    std::map<int, size_t> threads;
    for (const auto& place : out_.cpus) {
      cores[place.numa].insert(place.core);
      ++threads[place.core];
    }
    std::map<int, int> uncore;
    for (auto& place : out_.cpus) {
      if (!uncore.contains(place.core)) {
        uncore[place.core] = place.socket;
        size_t node_cpus = cores[place.numa].size() * threads[place.core];
        for (const auto& cache : UncoreCaches(CpuDir(place.cpu))) {
          if (cache.cpus == node_cpus) continue;
          uncore[place.core] = cache.id;
          break;
        }
      }
      place.uncore = uncore[place.core];
    }
  }

  std::string system_;
  CpuTopology out_;
};

}  // namespace

absl::StatusOr<CpuTopology> ReadCpuTopology(const std::string& root) { return Reader(root).Read(); }

}  // namespace kubelet::os
