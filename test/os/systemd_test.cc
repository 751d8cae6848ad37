// The D-Bus side of the systemd driver against a peer that answers like systemd's manager.
#include "catch.h"
#include "kubelet/os/cgroup_driver.h"
#include "os/temp_dir.h"

#if __has_include(<systemd/sd-bus.h>)
#include <mutex>

#include "os/bus_peer.h"

namespace kubelet::os {
namespace {

using test_bus::HaveLibrary;

class FakeSystemd : public test_bus::Peer {
 public:
  FakeSystemd() { StartServing(); }
  ~FakeSystemd() override { StopServing(); }
  std::vector<std::string> Log() {
    std::lock_guard lock(mutex_);
    return log_;
  }
  // What the next jobs end as, and whether StartTransientUnit says that the unit is there.
  void Answer(const std::string& result, bool exists) {
    std::lock_guard lock(mutex_);
    result_ = result;
    exists_ = exists;
  }
  // So many jobs of others end with each call.
  std::atomic<int> noise{0};

 private:
  static std::string Properties(sd_bus_message* message) {
    std::string out;
    BUS(sd_bus_message_enter_container)(message, 'a', "(sv)");
    while (BUS(sd_bus_message_enter_container)(message, 'r', "sv") > 0) {
      const char *name = nullptr, *contents = nullptr;
      BUS(sd_bus_message_read_basic)(message, 's', &name);
      char type = 0;
      BUS(sd_bus_message_peek_type)(message, &type, &contents);
      out += std::string(" ") + name + ":" + contents;
      BUS(sd_bus_message_enter_container)(message, 'v', contents);
      if (std::string(contents) == "t") {
        uint64_t value = 0;
        BUS(sd_bus_message_read_basic)(message, 't', &value);
        out += "=" + std::to_string(value);
      } else {
        BUS(sd_bus_message_skip)(message, contents);
      }
      BUS(sd_bus_message_exit_container)(message);
      BUS(sd_bus_message_exit_container)(message);
    }
    BUS(sd_bus_message_exit_container)(message);
    return out;
  }

  static void EmitJobs(sd_bus* bus, int count) {
    for (int i = 0; i < count; ++i) {
      BUS(sd_bus_emit_signal)
      (bus, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved", "uoss",
       99, "/org/freedesktop/systemd1/job/99", "other.service", "done");
    }
  }

  int Handle(sd_bus_message* message) override {
    const char* member = BUS(sd_bus_message_get_member)(message);
    std::string method = member == nullptr ? "" : member;
    if (method == "Get")
      return BUS(sd_bus_reply_method_return)(message, "v", "s", "252.39-1~deb12u1");
    if (method == "Subscribe" || method == "ResetFailedUnit")
      return BUS(sd_bus_reply_method_return)(message, "");
    const char *unit = nullptr, *mode = nullptr;
    if (BUS(sd_bus_message_read_basic)(message, 's', &unit) <= 0) return 0;
    std::string line = method + " " + unit;
    if (method == "SetUnitProperties") {
      int runtime = 0;
      BUS(sd_bus_message_read_basic)(message, 'b', &runtime);
      line += runtime != 0 ? " runtime" : " persistent";
    } else {
      BUS(sd_bus_message_read_basic)(message, 's', &mode);
      line += std::string(" ") + mode;
    }
    if (method != "StopUnit") line += Properties(message);
    std::lock_guard lock(mutex_);
    log_.push_back(line);
    EmitJobs(BUS(sd_bus_message_get_bus)(message), noise);
    if (method == "SetUnitProperties") return BUS(sd_bus_reply_method_return)(message, "");
    if (method == "StartTransientUnit" && exists_) {
      return BUS(sd_bus_reply_method_errorf)(message, "org.freedesktop.systemd1.UnitExists",
                                             "Unit exists.");
    }
    if (method == "StopUnit" && exists_) {
      return BUS(sd_bus_reply_method_errorf)(message, "org.freedesktop.systemd1.NoSuchUnit",
                                             "Not loaded.");
    }
    // Somebody else's job ends first.
    std::string job = "/org/freedesktop/systemd1/job/" + std::to_string(++jobs_);
    BUS(sd_bus_reply_method_return)(message, "o", job.c_str());
    sd_bus* bus = BUS(sd_bus_message_get_bus)(message);
    for (const std::string& path : {std::string("/org/freedesktop/systemd1/job/99"), job}) {
      BUS(sd_bus_emit_signal)
      (bus, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved", "uoss",
       jobs_, path.c_str(), unit, path == job ? result_.c_str() : "failed");
    }
    return 1;
  }

  std::mutex mutex_;
  std::vector<std::string> log_;
  std::string result_ = "done";
  bool exists_ = false;
  uint32_t jobs_ = 0;
};

TEST_CASE("transient slices over D-Bus: start, change, stop") {
  if (!HaveLibrary()) return;
  FakeSystemd systemd;
  auto manager = ConnectSystemd(systemd.Address());
  REQUIRE(manager.ok());
  CHECK((*manager)->version() == 252);
  CgroupValues values;
  values.cpu_shares = 1024;
  values.memory_bytes = 1 << 20;
  values.cpuset_cpus = "0-2";
  CgroupName name = {"kubepods", "pod1-2"};
  std::string unit = SliceUnit(name);
  REQUIRE((*manager)->StartTransient(unit, SliceProperties(name, values, true, 252)).ok());
  REQUIRE((*manager)->SetProperties(unit, ResourceProperties(values, true, 252)).ok());
  REQUIRE((*manager)->Stop(unit).ok());
  std::string resources = " MemoryMax:t=1048576 CPUWeight:t=39 AllowedCPUs:ay";
  CHECK(systemd.Log() ==
        std::vector<std::string>{
            "StartTransientUnit " + unit +
                " replace Description:s Wants:as MemoryAccounting:b CPUAccounting:b "
                "TasksAccounting:b IOAccounting:b DefaultDependencies:b" +
                resources,
            "SetUnitProperties " + unit + " runtime" + resources, "StopUnit " + unit + " replace"});
}

TEST_CASE("what systemd answers becomes a status: there already, not there, a job that failed") {
  if (!HaveLibrary()) return;
  FakeSystemd systemd;
  auto manager = ConnectSystemd(systemd.Address());
  REQUIRE(manager.ok());
  systemd.Answer("done", true);
  auto exists = (*manager)->StartTransient("a.slice", {});
  REQUIRE(absl::IsAlreadyExists(exists));
  CHECK(std::string(exists.message()).find("a.slice") != std::string::npos);
  CHECK((*manager)->Stop("a.slice").ok());
  systemd.Answer("timeout", false);
  auto failed = (*manager)->StartTransient("a.slice", {});
  REQUIRE(absl::IsUnavailable(failed));
  CHECK(std::string(failed.message()).find("`timeout`") != std::string::npos);
}

TEST_CASE("a connection that was lost is opened again") {
  if (!HaveLibrary()) return;
  FakeSystemd systemd;
  auto manager = ConnectSystemd(systemd.Address());
  REQUIRE(manager.ok());
  REQUIRE((*manager)->SetProperties("a.slice", {}).ok());
  systemd.drop = true;
  // The first calls may still meet the old connection.
  absl::Status status;
  for (int i = 0; i < 50; ++i) {
    status = (*manager)->SetProperties("b.slice", {});
    if (!systemd.drop && status.ok()) break;
  }
  CHECK(status.ok());
}

TEST_CASE("calls get through however many jobs of others have ended meanwhile") {
  if (!HaveLibrary()) return;
  FakeSystemd systemd;
  auto manager = ConnectSystemd(systemd.Address());
  REQUIRE(manager.ok());
  // sd-bus holds at most 384 Ki messages that nobody has looked at.
  systemd.noise = 10000;
  for (int i = 0; i < 40; ++i) {
    auto status = (*manager)->SetProperties("a.slice", {});
    CAPTURE(i, status.ToString());
    REQUIRE(status.ok());
  }
}

}  // namespace
}  // namespace kubelet::os
#else
TEST_CASE("transient slices over D-Bus") {
  std::cerr << "SKIPPED: no systemd/sd-bus.h to play systemd with\n";
}
#endif
