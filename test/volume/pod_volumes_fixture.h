// Volumes of one pod below a directory of the test, and the spec of a pod with one volume.
#pragma once

#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "await.h"
#include "kubelet/base/clock.h"
#include "kubelet/os/mount.h"
#include "kubelet/os/mountinfo.h"
#include "kubelet/volume/volume.h"
#include "os/temp_dir.h"
#include "resource/pod_yaml.h"

namespace kubelet::test {

// Real threads, so real time; the loop runs until the answer is there.
struct PodVolumesFixture {
  api::NodeAllocatable allocatable{.memory_bytes = 1 << 20};
  std::vector<std::string> events;
  TempDir root;
  boost::asio::io_context io{1};
  base::RealClock clock{io};
  base::BlockingPool pool{io.get_executor(), clock, {}};
  LastTurns last{io};
  volume::VolumeOptions options = Options();
  volume::PodVolumes volumes{io.get_executor(), clock, pool, options};
  std::string pod_dir = root / "pods/1-2";

  ~PodVolumesFixture() {
    Settle(io, pool);
    os::UnmountBelow(root.path(), true).IgnoreError();
  }
  volume::VolumeOptions Options() {
    volume::VolumeOptions options;
    options.on_event = [this](const std::string& uid, const api::core::Pod*, const std::string& reason,
                              const std::string& message) { events.push_back(uid + " " + reason + ": " + message); };
    options.root_dir = root.path();
    options.allocatable = [this] { return allocatable; };
    return options;
  }
  template <typename T>
  T Await(base::Task<T> task) {
    return test::Await(io, std::move(task));
  }
  absl::StatusOr<volume::VolumeMap> Prepare(const std::string& spec) {
    return Await(volumes.Prepare(std::make_shared<const api::core::Pod>(PodOf(spec))));
  }
  absl::StatusOr<std::map<int, std::string>> SubPath(const std::string& spec,
                                                     const std::string& path) {
    auto pod = std::make_shared<const api::core::Pod>(PodOf(spec));
    return Await(volumes.PrepareSubPaths(pod, "c", {{0, path}}));
  }
  absl::StatusOr<std::string> Read(const std::string& spec, const std::string& path) {
    auto pod = std::make_shared<const api::core::Pod>(PodOf(spec));
    return Await(volumes.ReadFile(pod, "v", path));
  }
  std::vector<std::string> Explain() { return volumes.Explain("1-2"); }
  size_t Mounts() { return os::MountsBelow(*os::ReadMountinfo(), root.path()).size(); }
};

inline std::string WithVolume(const std::string& source, const std::string& mount = "",
                              const std::string& more = "") {
  return "{volumes: [{name: v, " + source +
         "}], containers: [{name: c, volumeMounts: [{name: v, mountPath: /v" + mount + "}]}]" +
         more + "}";
}

}  // namespace kubelet::test
