#include "kubelet/os/proc_stats.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "catch.h"
#include "kubelet/os/disk_usage.h"
#include "os/temp_dir.h"

namespace kubelet::os {
namespace {

using test::TempDir;
using test::WriteText;

constexpr char kNetDev[] =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop "
    "fifo colls carrier compressed\n"
    "    lo:    9999      99    0    0    0     0          0         0     9999      99    0    0  "
    "  0     0       0          0\n"
    "  eth0: 1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0\n"
    "vethab12:5 5 5 5 0 0 0 0 5 5 5 5 0 0 0 0\n";

TEST_CASE("interfaces of a network namespace, without the loopback and the ends of pods") {
  auto parsed = ParseInterfaces(kNetDev);
  REQUIRE(parsed.ok());
  REQUIRE(parsed->size() == 1);
  const auto& eth = parsed->front();
  CHECK(eth.name == "eth0");
  CHECK(eth.rx_bytes == 1000);
  CHECK(eth.rx_packets == 10);
  CHECK(eth.rx_errors == 1);
  CHECK(eth.rx_dropped == 2);
  CHECK(eth.tx_bytes == 2000);
  CHECK(eth.tx_packets == 20);
  CHECK(eth.tx_errors == 3);
  CHECK(eth.tx_dropped == 4);
  CHECK_FALSE(ParseInterfaces(std::string(kNetDev) + "eth1: 1 2 3\n").ok());
  CHECK_FALSE(ReadInterfaces("/proc", 0).ok());
}

TEST_CASE("what a fake /proc tells") {
  TempDir proc;
  WriteText(proc / "loadavg", "0.00 0.01 0.05 2/345 6789\n");
  WriteText(proc / "stat", "cpu 1 2 3\nbtime 1700000000\nprocesses 5\n");
  WriteText(proc / "meminfo", "SwapTotal:  8 kB\nSwapFree:  2 kB\n");
  WriteText(proc / "7/limits",
            "Limit                     Soft Limit           Hard Limit           Units\n"
            "Max open files            1024                 524288               files\n");
  WriteText(proc / "8/limits", "Max open files  unlimited  unlimited  files\n");
  WriteText(proc / "diskstats", " 8 0 sda 1 2 3 4 5 6 7 8 9 10 11 0 0 0 0 0 0\n");
  CHECK(CountTasks(proc.path()) == 345);
  CHECK(base::UnixNanos(*BootTime(proc.path())) == 1'700'000'000'000'000'000);
  CHECK(ReadSwap(proc.path()).total == 8192);
  CHECK(OpenFilesLimit(proc.path(), 7) == 1024);
  CHECK(OpenFilesLimit(proc.path(), 8) == -1);
  CHECK_FALSE(OpenFilesLimit(proc.path(), 9));
  auto disks = ReadDisks(proc.path());
  REQUIRE(disks.size() == 1);
  CHECK(disks[0].name == "sda");
  CHECK(disks[0].weighted_ms == 11);
  std::filesystem::create_directories(proc / "7/fd");
  std::filesystem::create_symlink("/dev/null", proc / "7/fd/0");
  std::filesystem::create_symlink("socket:[1]", proc / "7/fd/1");
  auto descriptors = CountDescriptors(proc.path(), 7);
  CHECK(descriptors.all == 2);
  CHECK(descriptors.sockets == 1);
}

TEST_CASE("the group of a process, by systemd's tree before the memory controller's") {
  TempDir proc;
  WriteText(proc / "1/cgroup", "0::/unified\n");
  WriteText(proc / "2/cgroup", "5:cpu,cpuacct:/c\n4:memory:/m\n0::/u\n");
  WriteText(proc / "3/cgroup", "4:memory:/m\n1:name=systemd:/system.slice/x.service\n0::/u\n");
  CHECK(CgroupOf(proc.path(), "1") == "/unified");
  CHECK(CgroupOf(proc.path(), "2") == "/m");
  CHECK(CgroupOf(proc.path(), "3") == "/system.slice/x.service");
  CHECK(CgroupOf(proc.path(), "4").empty());
}

TEST_CASE("who listens on a unix socket") {
  TempDir dir;
  std::string path = dir / "s";
  CHECK(ListenerOf(path) == 0);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path.c_str());
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(listen(fd, 1) == 0);
  CHECK(ListenerOf(path) == getpid());
  close(fd);
}

TEST_CASE("cores and packages") {
  TempDir sys;
  const char* cores[] = {"0", "0", "1", "1"};
  for (int cpu = 0; cpu < 4; ++cpu) {
    std::string topology = sys / ("devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/");
    WriteText(topology + "core_id", cores[cpu]);
    WriteText(topology + "physical_package_id", "0");
  }
  auto layout = ReadCpuLayout({0, 1, 2, 3}, sys.path());
  CHECK(layout.cores == 2);
  CHECK(layout.sockets == 1);
  CHECK(ReadCpuLayout({0, 1}, "/nothing").cores == 2);
}

TEST_CASE("what this process takes") {
  auto usage = ReadOwnUsage();
  CHECK(usage.resident_bytes > 1'000'000);
  CHECK(usage.virtual_bytes >= usage.resident_bytes);
  CHECK(usage.threads >= 1);
  CHECK(usage.open_files >= 3);
  CHECK(usage.cpu_seconds > 0);
  CHECK(usage.started > 1'600'000'000);
}

TEST_CASE("a tree is counted in blocks, hard links once, other things by their inode") {
  TempDir dir;
  WriteText(dir / "t/a", std::string(10'000, 'x'));
  WriteText(dir / "t/d/b", "1");
  auto before = UsageOfTree(dir / "t");
  REQUIRE(before.ok());
  CHECK(before->inodes == 4);
  CHECK(before->bytes >= 10'000);
  std::filesystem::create_hard_link(dir / "t/a", dir / "t/again");
  std::filesystem::create_symlink("/usr", dir / "t/link");
  auto after = UsageOfTree(dir / "t");
  REQUIRE(after.ok());
  CHECK(after->inodes == before->inodes + 1);
  CHECK(after->bytes == before->bytes);
  CHECK(absl::IsNotFound(UsageOfTree(dir / "nothing").status()));
  std::atomic<bool> stop{true};
  CHECK(absl::IsAborted(UsageOfTree(dir / "t", &stop).status()));
  auto file = UsageOfTree(dir / "t/d/b");
  REQUIRE(file.ok());
  CHECK(file->inodes == 1);
}

TEST_CASE("a partition is listed once, however often it is mounted") {
  std::vector<Mount> mounts(6);
  mounts[0] = {1, 0, 8, 1, "/", "/", "", false, "ext4", "/dev/sda1", ""};
  mounts[1] = {2, 1, 8, 1, "/x", "/bound", "", false, "ext4", "/dev/sda1", ""};
  mounts[2] = {3, 1, 0, 20, "/", "/run", "", false, "tmpfs", "tmpfs", ""};
  mounts[3] = {4, 1, 0, 21, "/", "/root/pods/u/volumes/secret", "", false, "tmpfs", "tmpfs", ""};
  mounts[4] = {5, 1, 0, 22, "/", "/sys", "", false, "sysfs", "sysfs", ""};
  mounts[5] = {6, 1, 0, 57, "/", "/merged", "", false, "overlay", "overlay", ""};
  auto parts = Partitions(mounts, {"/root/pods"});
  REQUIRE(parts.size() == 3);
  CHECK(parts[0].device == "/dev/sda1");
  CHECK(parts[1].device == "/run");
  CHECK(parts[2].device == "overlay_0-57");
  CHECK(ReadFilesystem("/").ok());
}

}  // namespace
}  // namespace kubelet::os
