#include "kubelet/os/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sstream>

#include "kubelet/base/status.h"
#include "os/cgroup_tree.h"
#include "os/fd.h"

namespace kubelet::os {

using cgroup_internal::CheckPath;
using cgroup_internal::ChildrenIn;
using cgroup_internal::Join;
using cgroup_internal::Relative;

namespace {

constexpr std::array kUsed = {"cpu", "cpuacct", "cpuset", "memory", "hugetlb", "pids"};
constexpr std::array kRequiredV1 = {"cpu", "cpuacct", "cpuset", "memory"};

std::set<std::string> Words(const std::string& text) {
  std::istringstream in(text);
  std::set<std::string> words;
  for (std::string word; in >> word;) words.insert(word);
  return words;
}

std::string List(const std::set<std::string>& words, const char* before = "") {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : " ") + (before + word);
  return out;
}

// Of `controllers`, those that are not in `file` of the group. (A template: the tree is private to
// its class.)
template <typename Tree>
absl::StatusOr<std::set<std::string>> Lacking(const Tree& tree,
                                              const std::set<std::string>& controllers,
                                              const std::string& group, const std::string& file) {
  std::string relative = group == "/" ? file : Relative(group) + "/" + file;
  auto text = ReadSmallFile(tree.fd.get(), relative, tree.Name(group, file));
  if (!text.ok()) return text.status();
  std::set<std::string> has = Words(*text), lacking;
  for (const auto& controller : controllers) {
    if (has.count(controller) == 0) lacking.insert(controller);
  }
  return lacking;
}

// From the root down, so that `path` itself has the files of every controller that the root offers.
template <typename Tree>
absl::Status EnableOnTheWay(const Tree& tree, const std::set<std::string>& controllers,
                            const std::string& path) {
  const char* file = "cgroup.subtree_control";
  for (size_t end = 0; end != std::string::npos && end < path.size();
       end = path.find('/', end + 1)) {
    std::string group = end == 0 ? "/" : path.substr(0, end);
    auto wanted = Lacking(tree, controllers, group, file);
    if (!wanted.ok()) return wanted.status();
    if (wanted->empty()) continue;
    std::string relative = group == "/" ? file : Relative(group) + "/" + file;
    auto status = WriteValue(tree.fd.get(), relative, tree.Name(group, file), List(*wanted, "+"));
    if (!status.ok()) return absl::FailedPreconditionError(base::Message(status));
  }
  return absl::OkStatus();
}

}  // namespace

namespace cgroup_internal {

std::string Relative(const std::string& path) { return path == "/" ? "." : path.substr(1); }

std::string Join(const std::string& path, const std::string& name) {
  return path == "/" ? "/" + name : path + "/" + name;
}

absl::Status CheckPath(const std::string& path) {
  auto bad = [&] {
    return absl::InvalidArgumentError("cgroup path `" + path + "` is not absolute and clean");
  };
  if (path.empty() || path[0] != '/') return bad();
  if (path == "/") return absl::OkStatus();
  size_t start = 1;
  while (start <= path.size()) {
    size_t end = std::min(path.find('/', start), path.size());
    std::string part = path.substr(start, end - start);
    if (part.empty() || part == "." || part == "..") return bad();
    start = end + 1;
  }
  return absl::OkStatus();
}

std::set<std::string> ChildrenIn(int dir_fd, const std::string& path) {
  std::set<std::string> names;
  Fd fd(openat(dir_fd, Relative(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok()) return names;
  DIR* dir = fdopendir(fd.get());
  if (dir == nullptr) return names;
  fd.Release();
  while (const dirent* entry = readdir(dir)) {
    std::string name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..") names.insert(name);
  }
  closedir(dir);
  return names;
}

}  // namespace cgroup_internal

CgroupHierarchy::~CgroupHierarchy() = default;

absl::StatusOr<std::shared_ptr<const CgroupHierarchy>> CgroupHierarchy::Open(
    const CgroupMounts& mounts, Options options) {
  if (mounts.mode == CgroupMode::kNone)
    return absl::FailedPreconditionError("no cgroup filesystem is mounted");
  std::shared_ptr<CgroupHierarchy> self(new CgroupHierarchy);
  self->mounts_ = mounts;
  self->options_ = std::move(options);
  std::map<std::string, std::set<std::string>> points;
  for (const auto& [controller, point] : mounts.v1) points[point].insert(controller);
  if (!mounts.unified.empty()) points[mounts.unified];
  for (const auto& [point, controllers] : points) {
    auto tree = std::make_unique<Tree>();
    tree->point = point;
    tree->controllers = controllers;
    tree->fd = Fd(open(point.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!tree->fd.ok()) return base::ErrnoStatus(errno, "open " + point);
    if (self->v2()) {
      auto available =
          ReadSmallFile(tree->fd.get(), "cgroup.controllers", point + "/cgroup.controllers");
      if (!available.ok()) return available.status();
      tree->controllers = Words(*available);
    }
    for (const char* controller : kUsed) {
      if (tree->controllers.count(controller) == 0) continue;
      self->controllers_.insert(controller);
      tree->ours = true;
    }
    if (self->v2() || tree->controllers.count("name=systemd") != 0) tree->ours = true;
    self->trees_.push_back(std::move(tree));
  }
  for (const char* controller : kRequiredV1) {
    if (self->v2() || self->controllers_.count(controller) != 0) continue;
    return absl::FailedPreconditionError(std::string("cgroup v1 controller ") + controller +
                                         " is not mounted");
  }
  return std::shared_ptr<const CgroupHierarchy>(std::move(self));
}

absl::StatusOr<std::shared_ptr<const CgroupHierarchy>> CgroupHierarchy::OpenHost() {
  auto mounts = ReadMountinfo();
  if (!mounts.ok()) return mounts.status();
  return Open(DetectCgroups(*mounts), Options());
}

const CgroupHierarchy::Tree* CgroupHierarchy::TreeOf(const std::string& controller) const {
  for (const auto& tree : trees_) {
    if (tree->controllers.count(controller) != 0) return tree.get();
  }
  return nullptr;
}

// True when it was not there before.
absl::StatusOr<bool> CgroupHierarchy::MakeIn(const Tree& tree, const std::string& path) const {
  auto make = [&](const std::string& group) {
    if (options_.calls.make_group) return options_.calls.make_group(tree.fd.get(), Relative(group));
    return mkdirat(tree.fd.get(), Relative(group).c_str(), 0755) == 0 ? 0 : errno;
  };
  int error = make(path);
  size_t slash = path.rfind('/');
  if (error == ENOENT && slash != 0) {
    auto parent = MakeIn(tree, path.substr(0, slash));
    if (!parent.ok()) return parent.status();
    error = make(path);
  }
  if (error == EEXIST) return false;
  if (error != 0) return base::ErrnoStatus(error, "mkdir " + tree.Name(path));
  if (!v2() && tree.controllers.count("cpuset") != 0) {
    if (auto status = InitCpuset(tree, path); !status.ok()) return status;
  }
  return true;
}

// A new cpuset of v1 is empty, and nothing can run in it.
absl::Status CgroupHierarchy::InitCpuset(const Tree& tree, const std::string& path) const {
  std::string parent = path.substr(0, path.rfind('/'));
  if (parent.empty()) parent = "/";
  for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
    auto value =
        ReadSmallFile(tree.fd.get(), Join(Relative(parent), file), tree.Name(parent, file));
    if (!value.ok()) return value.status();
    RETURN_IF_ERROR(WriteValue(tree.fd.get(), Relative(path) + "/" + file, tree.Name(path, file),
                               Trim(*value)));
  }
  return absl::OkStatus();
}

absl::Status CgroupHierarchy::EnableControllers(const Tree& tree, const std::string& path) const {
  // systemd takes away again what no unit asks for (cpuset, mostly) whenever it looks at a slice on
  // the way.
  constexpr int kRounds = 5;
  absl::StatusOr<std::set<std::string>> lacking =
      Lacking(tree, controllers_, path, "cgroup.controllers");
  absl::Status problem;
  for (int round = 0; round < kRounds && lacking.ok() && !lacking->empty(); ++round) {
    problem = EnableOnTheWay(tree, controllers_, path);
    lacking = Lacking(tree, controllers_, path, "cgroup.controllers");
  }
  if (!lacking.ok() || lacking->empty()) return lacking.status();
  if (!problem.ok()) return problem;
  return absl::FailedPreconditionError("cgroup " + tree.Name(path) + " lacks controllers " +
                                       List(*lacking));
}

absl::StatusOr<LostLimits> CgroupHierarchy::Create(const std::string& path,
                                                   const CgroupValues& values) const {
  RETURN_IF_ERROR(CheckPath(path));
  std::set<const Tree*> fresh;
  LostLimits lost;
  for (const auto& tree : trees_) {
    if (!tree->ours || path == "/") continue;
    auto made = MakeIn(*tree, path);
    if (!made.ok()) {
      bool required = v2();
      for (const char* controller : kRequiredV1)
        required |= tree->controllers.count(controller) != 0;
      if (required) return made.status();
      lost.push_back({List(tree->controllers), made.status()});
      continue;
    }
    if (*made) fresh.insert(tree.get());
    if (v2()) RETURN_IF_ERROR(EnableControllers(*tree, path));
  }
  auto more = Write(path, values, fresh);
  lost.insert(lost.end(), more.begin(), more.end());
  return lost;
}

absl::StatusOr<LostLimits> CgroupHierarchy::Apply(const std::string& path,
                                                  const CgroupValues& values) const {
  RETURN_IF_ERROR(CheckPath(path));
  if (!Exists(path))
    return absl::NotFoundError("cgroup " + path + " is not there in every hierarchy");
  return Write(path, values, {});
}

// Files of a fresh group are written without a look at them.
LostLimits CgroupHierarchy::Write(const std::string& path, const CgroupValues& values,
                                  const std::set<const Tree*>& fresh) const {
  LostLimits lost;
  auto settings = CgroupSettings(values, v2());
  // A smaller period may not be set before the quota fits it, nor always after: such a one is tried
  // again last.
  bool retried = false;
  for (size_t i = 0; i < settings.size(); ++i) {
    const CgroupSetting setting = settings[i];
    const Tree* tree = TreeOf(setting.controller);
    if (tree == nullptr) {
      if (setting.controller == "hugetlb") continue;  // no huge pages to limit
      lost.push_back({setting.file, absl::NotFoundError("cgroup " + path + ": no controller for " +
                                                        setting.file + "=" + setting.text)});
      continue;
    }
    std::string file = (path == "/" ? "" : Relative(path) + "/") + setting.file;
    std::string name = tree->Name(path, setting.file);
    if (fresh.count(tree) == 0) {
      auto current = ReadSmallFile(tree->fd.get(), file, name);
      if (current.ok() && IsSameSetting(setting.file, Trim(*current), setting.text)) continue;
    }
    int error = 0;
    auto status = WriteValue(tree->fd.get(), file, name, setting.text, &error);
    if (error == EINVAL && setting.file == "cpu.cfs_period_us" && values.cpu_quota_us && !retried) {
      retried = true;
      settings.push_back(setting);
    } else if (!status.ok()) {
      lost.push_back({setting.file, status});
    }
  }
  return lost;
}

bool CgroupHierarchy::Exists(const std::string& path) const {
  if (!CheckPath(path).ok()) return false;
  return std::all_of(trees_.begin(), trees_.end(), [&](const auto& tree) {
    return !tree->ours || faccessat(tree->fd.get(), Relative(path).c_str(), F_OK, 0) == 0;
  });
}

absl::StatusOr<std::string> CgroupHierarchy::Read(const std::string& path,
                                                  const std::string& controller,
                                                  const std::string& file) const {
  RETURN_IF_ERROR(CheckPath(path));
  const Tree* tree = v2() ? trees_.front().get() : TreeOf(controller);
  if (tree == nullptr)
    return absl::NotFoundError("cgroup controller " + controller + " is not mounted");
  auto text = ReadSmallFile(tree->fd.get(), Relative(path) + "/" + file, tree->Name(path, file));
  if (!text.ok()) return text.status();
  return Trim(*text);
}

bool CountsSwap(const CgroupHierarchy& hierarchy, const std::string& own_group) {
  if (hierarchy.v2()) return hierarchy.Read(own_group, "memory", "memory.swap.max").ok();
  return hierarchy.Read("/", "memory", "memory.memsw.limit_in_bytes").ok();
}

std::set<std::string> CgroupHierarchy::Children(const std::string& path) const {
  std::set<std::string> names;
  if (!CheckPath(path).ok()) return names;
  for (const auto& tree : trees_) names.merge(ChildrenIn(tree->fd.get(), path));
  return names;
}

}  // namespace kubelet::os
