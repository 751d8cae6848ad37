#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "kubelet/base/status.h"
#include "kubelet/os/cgroup_driver.h"
#include "os/sd_bus.h"

namespace kubelet::os {
namespace {

// Root may talk to systemd directly, as systemctl does; the way that is left when there is no
// message bus.
constexpr char kPrivateAddress[] = "unix:path=/run/systemd/private";
constexpr auto kJobTimeout = std::chrono::seconds(30);

class Call : public BusCall {
 public:
  Call(const BusConnection& connection, const char* method)
      : BusCall(connection, kSystemdManager, method) {}
  using BusCall::Add;
  absl::Status Send() { return BusCall::Send(kJobTimeout); }

  void Add(const UnitProperties& properties) {
    Open('a', "(sv)");
    for (const auto& [name, value] : properties) {
      Open('r', "sv");
      Add(name);
      std::visit([&](const auto& v) { AddVariant(v); }, value);
      Close();
    }
    Close();
  }

 private:
  void AddVariant(bool value) {
    Open('v', "b");
    Add(value);
    Close();
  }
  void AddVariant(uint64_t value) {
    Open('v', "t");
    Add(value);
    Close();
  }
  void AddVariant(const std::string& value) {
    Open('v', "s");
    Add(value);
    Close();
  }
  void AddVariant(const std::vector<std::string>& values) {
    Open('v', "as");
    Open('a', "s");
    for (const auto& value : values) Add(value);
    Close();
    Close();
  }
  void AddVariant(const std::vector<uint8_t>& bytes) {
    Open('v', "ay");
    AddBytes(bytes.data(), bytes.size());
    Close();
  }
};

// One connection, one caller at a time. The bus is opened again after it was lost.
class SdBusUnitManager : public UnitManager {
 public:
  SdBusUnitManager(SdBusLibrary lib, std::string address)
      : bus_(lib, std::move(address), kPrivateAddress) {}

  int version() const override { return version_; }

  absl::Status Connect() {
    if (Drain()) return absl::OkStatus();
    RETURN_IF_ERROR(bus_.Open());
    const char* match =
        "type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved',"
        "path='/org/freedesktop/systemd1'";
    RETURN_IF_ERROR(SdBusStatus(lib().add_match(bus_.bus(), nullptr, match, OnJobRemoved, this),
                                "match JobRemoved"));
    Call subscribe(bus_, "Subscribe");
    subscribe.Send().IgnoreError();  // refused on a direct connection, which has the signals anyway
    ReadVersion();
    return absl::OkStatus();
  }

  absl::Status StartTransient(const std::string& unit, const UnitProperties& properties) override {
    std::lock_guard lock(mutex_);
    RETURN_IF_ERROR(Connect());
    Call call(bus_, "StartTransientUnit");
    call.Add(unit);
    call.Add(std::string("replace"));
    call.Add(properties);
    call.Open('a', "(sa(sv))");
    call.Close();
    RETURN_IF_ERROR(base::Annotate(call.Send(), unit));
    auto result = WaitForJob(call.ReplyPath(), unit);
    if (!result.ok()) ResetFailed(unit);
    return result;
  }

  absl::Status SetProperties(const std::string& unit, const UnitProperties& properties) override {
    std::lock_guard lock(mutex_);
    RETURN_IF_ERROR(Connect());
    Call call(bus_, "SetUnitProperties");
    call.Add(unit);
    call.Add(true);  // until reboot only
    call.Add(properties);
    return base::Annotate(call.Send(), unit);
  }

  absl::Status Stop(const std::string& unit) override {
    std::lock_guard lock(mutex_);
    RETURN_IF_ERROR(Connect());
    Call call(bus_, "StopUnit");
    call.Add(unit);
    call.Add(std::string("replace"));
    auto status = call.Send();
    if (absl::IsNotFound(status)) return absl::OkStatus();
    if (status.ok()) status = WaitForJob(call.ReplyPath(), unit);
    ResetFailed(unit);
    return base::Annotate(status, unit);
  }

 private:
  const SdBusLibrary& lib() const { return bus_.lib(); }

  // Jobs of others end all the time: unread, their signals would fill the connection's queue, and
  // no call would get through any more. False when the connection is lost.
  bool Drain() {
    bool open = bus_.Process().ok();
    finished_.clear();
    return open;
  }

  // `252.39-1~deb12u1`, `v245`; 0 when it cannot be told, which leaves the newer properties out.
  void ReadVersion() {
    BusError error;
    char* text = nullptr;
    const auto& peer = kSystemdManager;
    if (lib().get_property_string(bus_.bus(), peer.name, peer.path, peer.interface, "Version",
                                  &error, &text) >= 0 &&
        text != nullptr) {
      version_ = std::atoi(text + std::strcspn(text, "0123456789"));
      std::free(text);
    }
    lib().error_free(&error);
  }

  static int OnJobRemoved(sd_bus_message* message, void* self, BusError*) {
    auto& manager = *static_cast<SdBusUnitManager*>(self);
    uint32_t id = 0;
    const char *job = nullptr, *unit = nullptr, *result = nullptr;
    const auto& lib = manager.lib();
    if (lib.read_basic(message, 'u', &id) > 0 && lib.read_basic(message, 'o', &job) > 0 &&
        lib.read_basic(message, 's', &unit) > 0 && lib.read_basic(message, 's', &result) > 0) {
      manager.finished_[job] = result;
    }
    return 0;
  }

  absl::Status WaitForJob(const std::string& job, const std::string& unit) {
    auto deadline = std::chrono::steady_clock::now() + kJobTimeout;
    for (;;) {
      RETURN_IF_ERROR(bus_.Process());
      if (auto it = finished_.find(job); it != finished_.end()) {
        std::string result = it->second;
        finished_.clear();  // one caller at a time: what else is there concerns other people's jobs
        if (result == "done") return absl::OkStatus();
        return absl::UnavailableError("systemd job for " + unit + " ended as `" + result + "`");
      }
      auto left = std::chrono::duration_cast<std::chrono::microseconds>(
          deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0)
        return absl::DeadlineExceededError("systemd job for " + unit + " did not end in 30 s");
      RETURN_IF_ERROR(SdBusStatus(lib().wait(bus_.bus(), static_cast<uint64_t>(left.count())),
                                  "systemd connection"));
    }
  }

  void ResetFailed(const std::string& unit) {
    Call call(bus_, "ResetFailedUnit");
    call.Add(unit);
    call.Send().IgnoreError();  // mostly the unit did not fail
  }

  BusConnection bus_;
  std::mutex mutex_;
  int version_ = 0;
  std::map<std::string, std::string> finished_;  // job -> result, since the last wait
};

}  // namespace

absl::StatusOr<std::unique_ptr<UnitManager>> ConnectSystemd(const std::string& address) {
  auto lib = LoadSdBus();
  if (!lib.ok()) return base::Annotate(lib.status(), "cgroup driver systemd");
  auto manager = std::make_unique<SdBusUnitManager>(*lib, address);
  RETURN_IF_ERROR(base::Annotate(manager->Connect(), "cgroup driver systemd"));
  return std::unique_ptr<UnitManager>(std::move(manager));
}

}  // namespace kubelet::os
