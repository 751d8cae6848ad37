#include "kubelet/os/cpu_topology.h"

#include "catch.h"
#include "kubelet/base/status.h"
#include "os/temp_dir.h"

namespace kubelet::os {
namespace {

using test::TempDir;
using test::WriteText;

struct CpuTopologyTree {
  TempDir root;
  std::string system = root / "sys/devices/system";

  void Cpu(int cpu, int core, int socket, const std::string& l3_cpus = "", int l3_id = 0) {
    std::string dir = system + "/cpu/cpu" + std::to_string(cpu);
    WriteText(dir + "/topology/core_id", std::to_string(core) + "\n");
    WriteText(dir + "/topology/physical_package_id", std::to_string(socket) + "\n");
    WriteText(dir + "/cache/index2/level", "2\n");
    WriteText(dir + "/cache/index2/id", "77\n");
    WriteText(dir + "/cache/index2/shared_cpu_list", std::to_string(cpu) + "\n");
    if (l3_cpus.empty()) return;
    WriteText(dir + "/cache/index3/level", "3\n");
    WriteText(dir + "/cache/index3/id", std::to_string(l3_id) + "\n");
    WriteText(dir + "/cache/index3/shared_cpu_list", l3_cpus + "\n");
  }
  void Node(int node, const std::string& cpus, const std::string& distance) {
    std::string dir = system + "/node/node" + std::to_string(node);
    WriteText(dir + "/cpulist", cpus + "\n");
    WriteText(dir + "/distance", distance + "\n");
    WriteText(dir + "/meminfo",
              "Node " + std::to_string(node) + " MemTotal:  2048 kB\nNode 0 MemFree: 1 kB\n");
    WriteText(dir + "/hugepages/hugepages-2048kB/nr_hugepages", "3\n");
  }
};

std::string Text(const CpuTopology& topology) {
  std::string out;
  for (const auto& p : topology.cpus) {
    out += std::to_string(p.cpu) + ":" + std::to_string(p.core) + "," + std::to_string(p.socket) +
           "," + std::to_string(p.numa) + "," + std::to_string(p.uncore) + " ";
  }
  return out;
}

TEST_CASE("two sockets with threads and numbers of cores that repeat; one CPU is off") {
  CpuTopologyTree tree;
  WriteText(tree.system + "/cpu/online", "0-6\n");
  for (int cpu = 0; cpu < 7; ++cpu) tree.Cpu(cpu, cpu / 2 % 2, cpu % 2);
  tree.Node(0, "0,2,4,6", "10 21");
  tree.Node(1, "1,3,5", "21 10");
  auto topology = ReadCpuTopology(tree.root.path());
  INFO(topology.status());
  REQUIRE(topology.ok());
  CHECK(Text(*topology) ==
        "0:0,0,0,0 1:1,1,1,1 2:2,0,0,0 3:3,1,1,1 4:0,0,0,0 5:1,1,1,1 6:2,0,0,0 ");
  REQUIRE(topology->nodes.size() == 2);
  CHECK(topology->nodes[1].id == 1);
  CHECK(topology->nodes[1].memory_bytes == 2048 * 1024);
  CHECK(topology->nodes[1].huge_pages == std::map<int64_t, int64_t>{{2 << 20, 3}});
  CHECK(topology->nodes[1].distances == std::vector<int>{21, 10});
}

TEST_CASE("caches of part of a node are told apart, one of the whole node is not") {
  CpuTopologyTree tree;
  WriteText(tree.system + "/cpu/online", "0-7");
  for (int cpu = 0; cpu < 4; ++cpu) tree.Cpu(cpu, cpu, 0, cpu < 2 ? "0-1" : "2-3", 5 + cpu / 2);
  for (int cpu = 4; cpu < 8; ++cpu) tree.Cpu(cpu, cpu, 1, "4-7", 9);
  tree.Node(0, "0-3", "10 20");
  tree.Node(1, "4-7", "20 10");
  tree.Node(2, "", "20 20");  // memory alone
  auto topology = ReadCpuTopology(tree.root.path());
  REQUIRE(topology.ok());
  CHECK(Text(*topology) ==
        "0:0,0,0,5 1:1,0,0,5 2:2,0,0,6 3:3,0,0,6 4:4,1,1,1 5:5,1,1,1 6:6,1,1,1 7:7,1,1,1 ");
  CHECK(topology->nodes.size() == 3);
}

TEST_CASE("a kernel without NUMA: sockets stand for nodes") {
  CpuTopologyTree tree;
  WriteText(tree.system + "/cpu/online", "0-1");
  tree.Cpu(0, 0, 0);
  tree.Cpu(1, 0, 1);
  auto topology = ReadCpuTopology(tree.root.path());
  REQUIRE(topology.ok());
  CHECK(Text(*topology) == "0:0,0,0,0 1:1,1,1,1 ");
  CHECK(topology->nodes.size() == 2);
  CHECK(topology->nodes[1].memory_bytes == 0);
}

TEST_CASE("a topology that cannot be told is refused by file") {
  CpuTopologyTree tree;
  auto why = [&] { return base::Message(ReadCpuTopology(tree.root.path()).status()); };
  CHECK(why().find("cpu/online") != std::string::npos);
  WriteText(tree.system + "/cpu/online", "0-1");
  tree.Cpu(0, 0, 0);
  CHECK(why().find("cpu1/topology/core_id") != std::string::npos);
  tree.Cpu(1, 1, 0);
  tree.Node(0, "0", "10");
  CHECK(why().find("CPU 1 is online, but on no node") != std::string::npos);
  CHECK(absl::IsFailedPrecondition(ReadCpuTopology(tree.root.path()).status()));
}

TEST_CASE("this machine has a topology") {
  auto topology = ReadCpuTopology();
  INFO(topology.status());
  REQUIRE(topology.ok());
  CHECK_FALSE(topology->cpus.empty());
}

}  // namespace
}  // namespace kubelet::os
