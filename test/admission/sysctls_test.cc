#include "kubelet/admission/sysctls.h"

#include "catch.h"

namespace kubelet::admission {
namespace {

using Text = std::optional<std::string>;

SysctlAllowlist Make(const std::vector<std::string>& unsafe,
                     const std::string& kernel = "6.1.0-13-amd64") {
  auto list = SysctlAllowlist::Make(unsafe, kernel);
  REQUIRE(list.ok());
  return *list;
}

TEST_CASE("safe sysctls are allowed, others by name or prefix") {
  auto list = Make({"net.core.*", "kernel.msg*", "kernel.sem", "net/ipv4/conf/eno2.100/rp_filter"});
  struct Row {
    const char* name;
    Text why;
  };
  auto row = GENERATE(values<Row>({
      {"kernel.shm_rmid_forced", std::nullopt},
      {"kernel/shm_rmid_forced", std::nullopt},
      {"net.ipv4.ip_unprivileged_port_start", std::nullopt},
      {"net.core.somaxconn", std::nullopt},
      {"net/core/somaxconn", std::nullopt},
      {"kernel.msgmax", std::nullopt},
      {"kernel.sem", std::nullopt},
      {"net.ipv4.conf.eno2/100.rp_filter", std::nullopt},
      {"kernel.shmmax", "\"kernel.shmmax\" not allowlisted"},
      {"kernel/shmmax", "\"kernel.shmmax\" not allowlisted"},
      {"kernel.semaphore", "\"kernel.semaphore\" not allowlisted"},
      {"vm.swappiness", "\"vm.swappiness\" not allowlisted"},
  }));
  INFO(row.name);
  CHECK(list.Forbids(row.name, false, false) == row.why);
}

TEST_CASE("a sysctl of a namespace that the pod shares with the host is forbidden") {
  auto list = Make({"net.core.*", "kernel.msg*", "fs.mqueue.*"});
  CHECK(list.Forbids("net.ipv4.tcp_syncookies", true, false) ==
        "\"net.ipv4.tcp_syncookies\" not allowed with host Net enabled");
  CHECK(list.Forbids("net.core.somaxconn", true, false) ==
        "\"net.core.somaxconn\" not allowed with host Net enabled");
  CHECK(list.Forbids("kernel.msgmax", false, true) ==
        "\"kernel.msgmax\" not allowed with host IPC enabled");
  CHECK(list.Forbids("fs.mqueue.msg_max", true, true) ==
        "\"fs.mqueue.msg_max\" not allowed with host IPC enabled");
  CHECK(list.Forbids("net.core.somaxconn", false, true) == Text());
  CHECK(list.Forbids("kernel.msgmax", true, false) == Text());
}

TEST_CASE("an old kernel has fewer safe sysctls") {
  auto old = Make({}, "4.5.0"), ancient = Make({}, "3.10.0-1160.el7"), unknown = Make({}, "");
  CHECK_FALSE(old.Forbids("net.ipv4.tcp_keepalive_time", false, false));
  CHECK(old.Forbids("net.ipv4.tcp_fin_timeout", false, false));
  CHECK(old.Forbids("net.ipv4.tcp_rmem", false, false));
  CHECK_FALSE(Make({}, "4.15.18").Forbids("net.ipv4.tcp_wmem", false, false));
  CHECK(ancient.Forbids("net.ipv4.ip_local_reserved_ports", false, false));
  CHECK_FALSE(unknown.Forbids("kernel.shm_rmid_forced", false, false));
}

TEST_CASE("what is in no namespace cannot be allowed, not even by configuration") {
  auto list = SysctlAllowlist::Make({"vm.*"}, "6.1");
  CHECK(list.status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(std::string(list.status().message()).find("\"vm.\" are not known to be namespaced") !=
        std::string::npos);
}

}  // namespace
}  // namespace kubelet::admission
