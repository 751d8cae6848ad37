#include "kubelet/os/container_processes.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "catch.h"

namespace kubelet::os {
namespace {

namespace fs = std::filesystem;

struct Tree {
  fs::path root;
  Tree() {
    char name[] = "/tmp/proc-XXXXXX";
    root = mkdtemp(name);
    Write("uptime", "1000.50 2000.00\n");
  }
  ~Tree() { fs::remove_all(root); }
  void Write(const std::string& name, const std::string& text) {
    fs::create_directories((root / name).parent_path());
    std::ofstream(root / name, std::ios::binary) << text;
  }
  void Add(int pid, const std::string& cgroup, const std::string& stat,
           const std::string& cmdline) {
    std::string folder = std::to_string(pid) + "/";
    Write(folder + "cgroup", cgroup);
    Write(folder + "stat", stat);
    Write(folder + "cmdline", cmdline);
  }
};

TEST_CASE("processes of a container are told by their cgroup") {
  Tree tree;
  const std::string zeros = " 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 ";
  long hz = sysconf(_SC_CLK_TCK);
  auto start = [&](long seconds) { return std::to_string(seconds * hz); };
  tree.Add(10, "0::/kubepods/podx/abc\n", "10 (a (b) c) S 9 10 10" + zeros + start(990) + " 0\n",
           std::string("sh\0-c\0sleep 1\0", 13));
  tree.Add(11, "4:cpu:/x\n0::/kubelet.slice/cri-containerd-abc.scope\n",
           "11 (d) Z 10 10 10" + zeros + start(1000) + " 0\n", "");
  tree.Add(12, "0::/kubepods/podx/abd\n", "12 (e) S 9 12 12" + zeros + start(1) + " 0\n", "x");
  tree.Add(13, "0::/kubepods/podx/abc\n", "garbage", "x");
  tree.Write("self/cgroup", "0::/abc");
  auto found = ListContainerProcesses(tree.root, "abc");
  REQUIRE(found.ok());
  REQUIRE(found->size() == 2);
  if ((*found)[0].pid != 10) std::swap((*found)[0], (*found)[1]);
  CHECK((*found)[0].parent == 9);
  CHECK((*found)[0].session == 10);
  CHECK((*found)[0].command == std::vector<std::string>{"sh", "-c", "sleep 1"});
  CHECK((*found)[0].age == std::chrono::milliseconds(10'500));
  CHECK_FALSE((*found)[0].zombie);
  CHECK((*found)[1].zombie);
  CHECK_FALSE(ListContainerProcesses(tree.root / "nothing", "abc").ok());
}

TEST_CASE("a session is killed, and nobody else") {
  auto child = [](bool own_session, int ready) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    if (own_session) setsid();
    char byte = 1;
    if (write(ready, &byte, 1) != 1) _exit(1);
    for (;;) pause();
  };
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  pid_t mine = child(true, ends[1]), other = child(false, ends[1]);
  char bytes[2];
  for (int got = 0; got < 2;) {
    ssize_t n = read(ends[0], bytes, 1);
    REQUIRE(n == 1);
    ++got;
  }
  // Every path has a slash: all processes are "in the container".
  CHECK(KillContainerSession("/proc", "/", mine) == 1);
  int status = 0;
  CHECK(waitpid(mine, &status, 0) == mine);
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
  CHECK(waitpid(other, &status, WNOHANG) == 0);
  CHECK(KillContainerSession("/proc", "no such container", other) == 0);
  kill(other, SIGKILL);
  waitpid(other, &status, 0);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace kubelet::os
