// The kubelet under test as a process, with directories, ports and control groups of its own, none
// of which are left behind. Core loop; functions marked blocking do file work.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "conformance/cgroups.h"
#include "conformance/http.h"
#include "conformance/value.h"
#include "kubelet/os/kernel_tunables.h"

namespace kubelet::conformance {

class Node {
 public:
  struct Options {
    std::string kubelet;   // the program
    std::string endpoint;  // CRI socket, as the config has it
    std::string dir;       // everything below it is ours
    std::string name;      // of the node
    std::string kubeconfig, client_ca;
    RunGroups groups;
    int verbosity = 2;
  };
  Node(HttpClient::Deps deps, Options options);
  ~Node();  // kills what still runs

  // Directories, resolv.conf, control groups. Blocking.
  absl::Status Prepare();
  // Starts it with the run's configuration and `overrides` on top, and waits until it is healthy.
  // Unavailable: it ended, or is not healthy in a minute; the message has the end of its log.
  base::Task<absl::Status> Start(Json overrides = JsonObject());
  // Sends the signal and waits for the end; SIGKILL after half a minute.
  base::Task<absl::Status> Stop(int signal);
  bool running() const { return pid_ > 0; }
  // Mounts, directories, control groups and links that are left of the run. The runtime has to be
  // rid of its pods. Blocking.
  absl::Status CleanUp();

  const Options& options() const { return options_; }
  std::string root() const { return options_.dir + "/root"; }
  std::string logs() const { return options_.dir + "/pod-logs"; }
  std::string manifests() const { return options_.dir + "/manifests"; }
  std::string log_file() const { return options_.dir + "/kubelet.log"; }
  uint16_t https_port() const { return https_; }
  uint16_t healthz_port() const { return healthz_; }
  uint16_t readonly_port() const { return readonly_; }
  // What the kubelet is started with, but for a case's overrides.
  Json Config() const;

 private:
  absl::Status Spawn();
  bool Reap();

  HttpClient::Deps deps_;
  Options options_;
  std::vector<std::string> made_;  // directories that were not there before
  std::vector<os::TunableResult> tuned_;  // of the kernel, which were not as a kubelet wants them
  uint16_t https_, healthz_, readonly_;
  pid_t pid_ = -1;
  int exit_status_ = 0;
};

// A port of loopback that is free, and none that the system gives to clients: one that dials a port
// of those while nobody listens can meet itself, and has it then.
uint16_t FreePort();

// The last lines of a file.
std::string TailOf(const std::string& path, size_t lines);

}  // namespace kubelet::conformance
