// fake-cri: the behaving fake runtime as a program, for runs of any kubelet with many pods.
//
//   fake-cri --socket PATH [--no-events] [--systemd] [--pull] [--no-logs] [--METHOD-ms N ...]
//
// --METHOD-ms: how long a call takes: sandbox, create, start, stop, remove, status, list, exec,
// pull, stop-sandbox, remove-sandbox, or the name of a CRI method such as ImageStatus.
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <map>

#include "fakes/cri_server.h"

namespace {

const std::map<std::string, std::string> kMethods = {
    {"sandbox", "RunPodSandbox"},
    {"create", "CreateContainer"},
    {"start", "StartContainer"},
    {"stop", "StopContainer"},
    {"remove", "RemoveContainer"},
    {"status", "ContainerStatus"},
    {"list", "ListContainers"},
    {"exec", "ExecSync"},
    {"pull", "PullImage"},
    {"stop-sandbox", "StopPodSandbox"},
    {"remove-sandbox", "RemovePodSandbox"},
};

bool ParseDelay(const std::string& flag, const char* value,
                kubelet::fakes::FakeCriOptions& options) {
  if (flag.size() < 6 || flag.compare(flag.size() - 3, 3, "-ms") != 0 || value == nullptr)
    return false;
  std::string name = flag.substr(2, flag.size() - 5);
  auto it = kMethods.find(name);
  options.delays[it == kMethods.end() ? name : it->second] =
      std::chrono::milliseconds(std::atoi(value));
  return true;
}

int Usage() {
  std::fprintf(
      stderr,
      "usage: fake-cri --socket PATH [--no-events] [--systemd] [--pull] [--no-logs]\n"
      "                [--sandbox-ms N] [--create-ms N] [--start-ms N] [--METHOD-ms N ...]\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  kubelet::fakes::FakeCriOptions options;
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (flag == "--socket" && value != nullptr) {
      options.socket = value;
      ++i;
    } else if (flag == "--no-events") {
      options.events = false;
    } else if (flag == "--systemd") {
      options.systemd_cgroups = true;
    } else if (flag == "--pull") {
      options.any_image = false;
    } else if (flag == "--no-logs") {
      options.write_logs = false;
    } else if (flag.rfind("--", 0) == 0 && ParseDelay(flag, value, options)) {
      ++i;
    } else {
      return Usage();
    }
  }
  if (options.socket.empty()) return Usage();
  // Before any thread, so that all of them inherit it.
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);

  kubelet::fakes::FakeCriServer server(options);
  if (!server.Start()) {
    std::fprintf(stderr, "fake-cri: cannot listen on %s\n", options.socket.c_str());
    return 1;
  }
  std::printf("listening on unix://%s\n", options.socket.c_str());
  std::fflush(stdout);
  int signal_number = 0;
  sigwait(&stop, &signal_number);
  server.Stop();
  return 0;
}
