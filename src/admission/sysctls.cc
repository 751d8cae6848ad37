#include "kubelet/admission/sysctls.h"

#include <charconv>
#include <utility>

namespace kubelet::admission {
namespace {

struct SafeSysctl {
  const char* name;
  std::pair<int, int> since{0, 0};  // the kernel that namespaced it
};
constexpr SafeSysctl kSafe[] = {
    {"kernel.shm_rmid_forced"},
    {"net.ipv4.ip_local_port_range"},
    {"net.ipv4.tcp_syncookies"},
    {"net.ipv4.ping_group_range"},
    {"net.ipv4.ip_unprivileged_port_start"},
    {"net.ipv4.ip_local_reserved_ports", {3, 16}},
    {"net.ipv4.tcp_keepalive_time", {4, 5}},
    {"net.ipv4.tcp_fin_timeout", {4, 6}},
    {"net.ipv4.tcp_keepalive_intvl", {4, 5}},
    {"net.ipv4.tcp_keepalive_probes", {4, 5}},
    {"net.ipv4.tcp_rmem", {4, 15}},
    {"net.ipv4.tcp_wmem", {4, 15}},
};

constexpr const char* kIpcNames[] = {
    "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
    "kernel.shm", "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.msg"};

bool StartsWith(const std::string& text, const std::string& prefix) {
  return text.rfind(prefix, 0) == 0;
}

std::pair<int, int> MajorMinor(const std::string& version) {
  std::pair<int, int> out{0, 0};
  const char* end = version.data() + version.size();
  auto [dot, error] = std::from_chars(version.data(), end, out.first);
  if (error == std::errc() && dot != end && *dot == '.') std::from_chars(dot + 1, end, out.second);
  return out;
}

}  // namespace

std::string NormalizedSysctl(std::string name) {
  size_t first = name.find_first_of("./");
  if (first == std::string::npos || name[first] == '.') return name;
  for (char& c : name) {
    if (c == '.' || c == '/') c = c == '.' ? '/' : '.';
  }
  return name;
}

std::optional<SysctlAllowlist::Namespace> SysctlAllowlist::NamespaceOf(const std::string& name) {
  for (const char* known : kIpcNames) {
    if (name == known) return Namespace::kIpc;
  }
  if (StartsWith(name, "net.")) return Namespace::kNet;
  if (StartsWith(name, "fs.mqueue.")) return Namespace::kIpc;
  return std::nullopt;
}

absl::StatusOr<SysctlAllowlist> SysctlAllowlist::Make(const std::vector<std::string>& unsafe,
                                                      const std::string& kernel_version) {
  SysctlAllowlist list;
  auto kernel = MajorMinor(kernel_version);
  for (const auto& safe : kSafe) {
    if (kernel >= safe.since) list.names_[safe.name] = *NamespaceOf(safe.name);
  }
  for (const auto& pattern : unsafe) {
    std::string name = NormalizedSysctl(pattern);
    size_t star = name.find('*');
    if (star != std::string::npos) name.resize(star);
    auto space = NamespaceOf(name);
    if (!space) {
      return absl::InvalidArgumentError("allowedUnsafeSysctls: the sysctls \"" + name +
                                        "\" are not known to be namespaced");
    }
    (star == std::string::npos ? list.names_ : list.prefixes_)[name] = *space;
  }
  return list;
}

std::optional<std::string> SysctlAllowlist::Forbids(const std::string& name, bool host_network,
                                                    bool host_ipc) const {
  std::string sysctl = NormalizedSysctl(name);
  const Namespace* space = nullptr;
  if (auto it = names_.find(sysctl); it != names_.end()) space = &it->second;
  for (auto it = prefixes_.begin(); space == nullptr && it != prefixes_.end(); ++it) {
    if (StartsWith(sysctl, it->first)) space = &it->second;
  }
  const std::string quoted = "\"" + sysctl + "\"";
  if (space == nullptr) return quoted + " not allowlisted";
  if (*space == Namespace::kIpc && host_ipc) return quoted + " not allowed with host IPC enabled";
  if (*space == Namespace::kNet && host_network)
    return quoted + " not allowed with host Net enabled";
  return std::nullopt;
}

}  // namespace kubelet::admission
