// Pods with one claim, on an API server that has no more, and a disk for it: a file behind a loop
// device.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <iostream>

#include "await.h"
#include "catch.h"
#include "kubelet/api/codec.h"
#include "kubelet/base/clock.h"
#include "kubelet/base/status.h"
#include "kubelet/os/loop_device.h"
#include "kubelet/os/mount.h"
#include "kubelet/volume/volume.h"
#include "os/temp_dir.h"
#include "resource/pod_yaml.h"
#include "volume/no_objects.h"

namespace kubelet::test {

template <typename T>
std::shared_ptr<const T> Yaml(const std::string& text) {
  auto out = std::make_shared<T>();
  auto status = api::DecodeYaml(text, *out);
  INFO(status);
  REQUIRE(status.ok());
  return out;
}

// One claim, `data`, bound to pv1.
struct OneClaim : NoObjects {
  std::string volume;  // the rest of its spec
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::PersistentVolumeClaim>>> Claim(
      std::string, std::string) override {
    co_return Yaml<api::core::PersistentVolumeClaim>(
        "{metadata: {name: data, namespace: shop, uid: c1}, spec: {volumeName: pv1}, "
        "status: {phase: Bound}}");
  }
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::PersistentVolume>>> PersistentVolume(
      std::string) override {
    co_return Yaml<api::core::PersistentVolume>(
        "{metadata: {name: pv1}, spec: {claimRef: {uid: c1}, " + volume + "}}");
  }
};

struct Disk {
  TempDir dir;
  absl::StatusOr<std::string> device = absl::UnavailableError("");
  explicit Disk(off_t bytes = 1 << 20) {
    std::string file = dir / "disk";
    WriteText(file, "");
    REQUIRE(truncate(file.c_str(), bytes) == 0);
    device = os::AttachLoop(file);
    if (!device.ok()) std::cerr << "SKIPPED, no loop devices here: " << device.status() << "\n";
  }
  ~Disk() { os::DetachLoop(dir / "disk").IgnoreError(); }
  bool ok() const { return device.ok(); }
};

struct OneClaimFixture {
  explicit OneClaimFixture(const std::string& mount_program = "") : mount_program(mount_program) {}
  std::string mount_program;  // empty: one that the test writes
  std::vector<std::string> events;
  TempDir root;
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};
  LastTurns last{io};
  base::Registry metrics;
  OneClaim cluster;
  volume::VolumeOptions options = Options();
  volume::PodVolumes volumes{io.get_executor(), clock, pool, options};
  base::TaskScope scope{io.get_executor()};
  std::string place = root / "plugins/kubernetes.io~local-volume/volumeDevices/pv1";

  ~OneClaimFixture() {
    for (const char* uid : {"a", "b"}) Teardown(uid).IgnoreError();
    Settle(io, pool);
    (void)os::UnmountBelow(root.path(), true);
  }
  volume::VolumeOptions Options() {
    volume::VolumeOptions out;
    out.root_dir = root.path();
    out.objects = &cluster;
    out.metrics = &metrics;
    out.mount_program = mount_program.empty() ? root / "mount" : mount_program;
    out.on_event = [this](const std::string& uid, const api::core::Pod*, const std::string& reason,
                          const std::string& message) {
      events.push_back(uid + " " + reason + ": " + message);
    };
    return out;
  }
  // Each idle moment of the loop is `each` long by the clock.
  void RunUntil(const std::function<bool()>& done, base::Nanos each = {}) {
    auto work = boost::asio::make_work_guard(io);
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    io.restart();
    while (!done() && std::chrono::steady_clock::now() < end) {
      if (io.run_one_for(std::chrono::milliseconds(10)) == 0) clock.Advance(each);
    }
    REQUIRE(done());
  }
  template <typename T>
  T Await(base::Task<T> task, base::Nanos each = {}) {
    std::optional<T> out;
    scope.Spawn("test", StoreResult(std::move(task), out));
    RunUntil([&] { return out.has_value(); }, each);
    return *out;
  }
  static api::PodPtr Pod(const std::string& uid, const std::string& spec) {
    auto pod = PodOf(spec);
    pod.mutable_metadata()->set_uid(uid);
    return std::make_shared<const api::core::Pod>(std::move(pod));
  }
  absl::StatusOr<volume::VolumeMap> Prepare(const std::string& uid, const std::string& spec) {
    volumes.RetryNow(uid);
    return Await(volumes.Prepare(Pod(uid, spec)));
  }
  absl::Status Teardown(const std::string& uid) { return Await(volumes.Teardown(uid)); }
  std::string Link(const std::string& uid) {
    return root / ("pods/" + uid + "/volumeDevices/kubernetes.io~local-volume/pv1");
  }
};

inline const std::string kDevice =
    "{volumes: [{name: v, persistentVolumeClaim: {claimName: data}}], containers: [{name: c, "
    "volumeDevices: [{name: v, devicePath: /dev/x}]}]}";
inline const std::string kMounted =
    "{volumes: [{name: v, persistentVolumeClaim: {claimName: data}}], containers: [{name: c, "
    "volumeMounts: [{name: v, mountPath: /v}]}]}";

}  // namespace kubelet::test
