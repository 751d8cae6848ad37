#include "kubelet/os/machine.h"

#include <unistd.h>

#include "catch.h"
#include "kubelet/os/oom.h"
#include "kubelet/os/resolv_conf.h"
#include "os/temp_dir.h"

namespace kubelet::os {
namespace {

using test::ReadText;
using test::TempDir;
using test::WriteText;

TEST_CASE("a machine out of a tree of files") {
  TempDir root;
  WriteText(root / "sys/devices/system/cpu/online", "0-2,7\n");
  WriteText(root / "proc/meminfo",
            "MemTotal:        2048 kB\nMemFree: 1 kB\nSwapTotal:      512 kB\n");
  WriteText(root / "proc/sys/kernel/pid_max", "4194304\n");
  WriteText(root / "proc/sys/kernel/threads-max", "1000\n");
  WriteText(root / "proc/sys/kernel/random/boot_id", "b-1\n");
  WriteText(root / "proc/sys/kernel/osrelease", "6.1.0-1\n");
  WriteText(root / "proc/swaps",
            "Filename Type Size Used Priority\n/dev/vdb partition 512 0 -2\n\n");
  WriteText(root / "etc/machine-id", "m-1\n");
  WriteText(root / "etc/os-release", "ID=x\nPRETTY_NAME=\"Some Linux 12 (x)\"\n");
  WriteText(root / "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "5\n");
  WriteText(root / "sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "0\n");
  auto machine = ReadMachine(root.path());
  REQUIRE(machine.ok());
  CHECK(machine->cpus == 4);
  CHECK(machine->cpu_list == "0-2,7");
  CHECK(machine->memory_bytes == 2 << 20);
  CHECK(machine->swap_bytes == 512 << 10);
  CHECK(machine->max_pids == 1000);
  CHECK(machine->boot_id == "b-1");
  CHECK(machine->machine_id == "m-1");
  CHECK(machine->system_uuid == "m-1");
  CHECK(machine->kernel_version == "6.1.0-1");
  CHECK(machine->os_image == "Some Linux 12 (x)");
  CHECK(machine->swaps == std::vector<std::string>{"/dev/vdb partition 512 0 -2"});
  CHECK(machine->huge_pages == std::map<int64_t, int64_t>{{2 << 20, 5}, {1 << 30, 0}});
}

TEST_CASE("a machine that cannot be told is refused by file") {
  TempDir root;
  auto machine = ReadMachine(root.path());
  REQUIRE(absl::IsFailedPrecondition(machine.status()));
  CHECK(std::string(machine.status().message()).find("cpu/online") != std::string::npos);
  WriteText(root / "sys/devices/system/cpu/online", "0");
  machine = ReadMachine(root.path());
  CHECK(std::string(machine.status().message()).find("meminfo") != std::string::npos);
}

TEST_CASE("the size of a filesystem") {
  TempDir root;
  auto bytes = FilesystemBytes(root.path());
  REQUIRE(bytes.ok());
  CHECK(*bytes >= 1 << 20);
  CHECK(absl::IsNotFound(FilesystemBytes(root / "absent").status()));
}

TEST_CASE("this machine") {
  auto machine = ReadMachine();
  REQUIRE(machine.ok());
  CHECK(machine->cpus == sysconf(_SC_NPROCESSORS_ONLN));
  CHECK(machine->max_pids > 0);
  CHECK_FALSE(machine->kernel_version.empty());
}

TEST_CASE("lists of CPUs") {
  CHECK(*ParseCpuList("3,0-1,1\n") == std::vector<int>{0, 1, 3});
  CHECK(ParseCpuList("")->empty());
  for (const char* bad : {"x", "1-", "-1", "3-1", "1,,x", "0-99999999", "1-2-3"}) {
    INFO(bad);
    CHECK(absl::IsInvalidArgument(ParseCpuList(bad).status()));
  }
}

TEST_CASE("the OOM score is written when it differs") {
  TempDir dir;
  WriteText(dir / "adj", "0\n");
  CHECK(SetOwnOomScoreAdj(-999, dir / "adj").ok());
  CHECK(ReadText(dir / "adj") == "-999");
  WriteText(dir / "adj", "7\n");
  CHECK(SetOwnOomScoreAdj(7, dir / "adj").ok());
  CHECK(ReadText(dir / "adj") == "7\n");
  CHECK(absl::IsInvalidArgument(SetOwnOomScoreAdj(1001, dir / "adj")));
  auto absent = SetOwnOomScoreAdj(1, dir / "absent");
  CHECK(absl::IsNotFound(absent));
  CHECK(std::string(absent.message()).find("absent") != std::string::npos);
}

TEST_CASE("resolv.conf as upstream reads it") {
  auto conf = ParseResolvConf(
      "# nameserver 9.9.9.9\n  nameserver 1.1.1.1 ignored\nnameserver\t2001:db8::1\r\n"
      "search old.example\nsearch a.example. . b.example\noptions ndots:2 rotate\noptions "
      "ndots:5\ndomain x\nsortlist\n");
  REQUIRE(conf.ok());
  CHECK(conf->nameservers == std::vector<std::string>{"1.1.1.1", "2001:db8::1"});
  CHECK(conf->searches == std::vector<std::string>{"a.example", "b.example"});
  CHECK(conf->options == std::vector<std::string>{"ndots:5", "rotate"});
  CHECK(ParseResolvConf("")->nameservers.empty());
  CHECK(ParseResolvConf("search a\nsearch\n")->searches.empty());
  auto bad = ParseResolvConf("search a\nnameserver \n");
  REQUIRE(absl::IsInvalidArgument(bad.status()));
  CHECK(std::string(bad.status().message()).find("line 2") != std::string::npos);
}

TEST_CASE("resolver and hosts files are read whole, and named when they cannot be") {
  TempDir dir;
  WriteText(dir / "resolv.conf", "nameserver 1.1.1.1\n");
  CHECK(ReadResolvConf(dir / "resolv.conf")->nameservers.size() == 1);
  auto absent = ReadResolvConf(dir / "absent");
  CHECK(absl::IsNotFound(absent.status()));
  CHECK(std::string(absent.status().message()).find(dir / "absent") != std::string::npos);
  WriteText(dir / "hosts", "127.0.0.1 localhost\n");
  CHECK(*ReadHostsFile(dir / "hosts") == "127.0.0.1 localhost\n");
  WriteText(dir / "huge", std::string((10 << 20) + 1, 'x'));
  CHECK(absl::IsResourceExhausted(ReadHostsFile(dir / "huge").status()));
}

}  // namespace
}  // namespace kubelet::os
