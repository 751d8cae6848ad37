#include <dlfcn.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "kubelet/base/status.h"
#include "kubelet/os/cgroup_driver.h"

namespace kubelet::os {
namespace {

constexpr char kName[] = "org.freedesktop.systemd1";
constexpr char kPath[] = "/org/freedesktop/systemd1";
constexpr char kManager[] = "org.freedesktop.systemd1.Manager";
// Root may talk to systemd directly, as systemctl does; the way that is left when there is no
// message bus.
constexpr char kPrivateAddress[] = "unix:path=/run/systemd/private";
constexpr auto kJobTimeout = std::chrono::seconds(30);

// What sd-bus(3) is made of; laid out as in systemd's sd-bus.h, which is a stable interface.
struct sd_bus;
struct sd_bus_message;
struct sd_bus_slot;
struct BusError {
  const char* name = nullptr;
  const char* message = nullptr;
  int need_free = 0;
};
using MessageHandler = int (*)(sd_bus_message*, void*, BusError*);

struct Library {
  int (*open_system)(sd_bus**) = nullptr;
  int (*new_bus)(sd_bus**) = nullptr;
  int (*set_address)(sd_bus*, const char*) = nullptr;
  int (*start)(sd_bus*) = nullptr;
  sd_bus* (*flush_close_unref)(sd_bus*) = nullptr;
  int (*is_open)(sd_bus*) = nullptr;
  int (*new_method_call)(sd_bus*, sd_bus_message**, const char*, const char*, const char*,
                         const char*) = nullptr;
  int (*call)(sd_bus*, sd_bus_message*, uint64_t, BusError*, sd_bus_message**) = nullptr;
  int (*append_basic)(sd_bus_message*, char, const void*) = nullptr;
  int (*append_array)(sd_bus_message*, char, const void*, size_t) = nullptr;
  int (*open_container)(sd_bus_message*, char, const char*) = nullptr;
  int (*close_container)(sd_bus_message*) = nullptr;
  int (*read_basic)(sd_bus_message*, char, void*) = nullptr;
  sd_bus_message* (*message_unref)(sd_bus_message*) = nullptr;
  int (*add_match)(sd_bus*, sd_bus_slot**, const char*, MessageHandler, void*) = nullptr;
  int (*process)(sd_bus*, sd_bus_message**) = nullptr;
  int (*wait)(sd_bus*, uint64_t) = nullptr;
  void (*error_free)(BusError*) = nullptr;
  int (*get_property_string)(sd_bus*, const char*, const char*, const char*, const char*, BusError*,
                             char**) = nullptr;

  template <typename F>
  static bool Load(void* handle, const char* name, F& function) {
    function = reinterpret_cast<F>(dlsym(handle, name));
    return function != nullptr;
  }

  bool LoadAll(void* h) {
    return Load(h, "sd_bus_open_system", open_system) && Load(h, "sd_bus_new", new_bus) &&
           Load(h, "sd_bus_set_address", set_address) && Load(h, "sd_bus_start", start) &&
           Load(h, "sd_bus_flush_close_unref", flush_close_unref) &&
           Load(h, "sd_bus_is_open", is_open) &&
           Load(h, "sd_bus_message_new_method_call", new_method_call) &&
           Load(h, "sd_bus_call", call) && Load(h, "sd_bus_message_append_basic", append_basic) &&
           Load(h, "sd_bus_message_append_array", append_array) &&
           Load(h, "sd_bus_message_open_container", open_container) &&
           Load(h, "sd_bus_message_close_container", close_container) &&
           Load(h, "sd_bus_message_read_basic", read_basic) &&
           Load(h, "sd_bus_message_unref", message_unref) &&
           Load(h, "sd_bus_add_match", add_match) && Load(h, "sd_bus_process", process) &&
           Load(h, "sd_bus_wait", wait) && Load(h, "sd_bus_error_free", error_free) &&
           Load(h, "sd_bus_get_property_string", get_property_string);
  }
};

absl::Status Negative(int code, const std::string& what) {
  return code >= 0 ? absl::OkStatus() : absl::UnavailableError(what + ": " + std::strerror(-code));
}

// A method call under construction and its error; every Add reports the first failure at Send.
class Call {
 public:
  Call(const Library& lib, sd_bus* bus, const char* method)
      : lib_(lib), bus_(bus), method_(method) {
    Keep(lib.new_method_call(bus, &message_, kName, kPath, kManager, method));
  }
  ~Call() {
    lib_.error_free(&error_);
    if (message_ != nullptr) lib_.message_unref(message_);
    if (reply_ != nullptr) lib_.message_unref(reply_);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  void Add(const std::string& text) {
    Keep(ok() ? lib_.append_basic(message_, 's', text.c_str()) : 0);
  }
  void Add(bool value) {
    int number = value ? 1 : 0;  // a D-Bus boolean is an int here
    Keep(ok() ? lib_.append_basic(message_, 'b', &number) : 0);
  }
  void Open(char kind, const char* contents) {
    Keep(ok() ? lib_.open_container(message_, kind, contents) : 0);
  }
  void Close() { Keep(ok() ? lib_.close_container(message_) : 0); }

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

  // Unavailable, or the code that the remote error's name stands for.
  absl::Status Send() {
    if (!ok())
      return Negative(code_, std::string("systemd ") + method_ + ": cannot build the call");
    auto timeout = std::chrono::microseconds(kJobTimeout).count();
    int sent = lib_.call(bus_, message_, static_cast<uint64_t>(timeout), &error_, &reply_);
    if (sent >= 0) return absl::OkStatus();
    std::string name = error_.name == nullptr ? "" : error_.name;
    std::string text = std::string("systemd ") + method_ + ": " +
                       (error_.message == nullptr ? std::strerror(-sent) : error_.message);
    if (name == "org.freedesktop.systemd1.UnitExists") return absl::AlreadyExistsError(text);
    if (name == "org.freedesktop.systemd1.NoSuchUnit") return absl::NotFoundError(text);
    if (name == "org.freedesktop.DBus.Error.AccessDenied") return absl::PermissionDeniedError(text);
    return absl::UnavailableError(text);
  }
  std::string ReplyPath() {
    const char* path = nullptr;
    return reply_ != nullptr && lib_.read_basic(reply_, 'o', &path) > 0 && path != nullptr ? path
                                                                                           : "";
  }

 private:
  bool ok() const { return code_ >= 0; }
  void Keep(int code) {
    if (code < 0 && code_ >= 0) code_ = code;
  }
  void AddVariant(bool value) {
    Open('v', "b");
    Add(value);
    Close();
  }
  void AddVariant(uint64_t value) {
    Open('v', "t");
    Keep(ok() ? lib_.append_basic(message_, 't', &value) : 0);
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
    Keep(ok() ? lib_.append_array(message_, 'y', bytes.data(), bytes.size()) : 0);
    Close();
  }

  const Library& lib_;
  sd_bus* bus_;
  const char* method_;
  sd_bus_message* message_ = nullptr;
  sd_bus_message* reply_ = nullptr;
  BusError error_;
  int code_ = 0;
};

// One connection, one caller at a time. The bus is opened again after it was lost.
class SdBusUnitManager : public UnitManager {
 public:
  SdBusUnitManager(Library lib, std::string address) : lib_(lib), address_(std::move(address)) {}
  ~SdBusUnitManager() override { Disconnect(); }

  int version() const override { return version_; }

  absl::Status Connect() {
    if (bus_ != nullptr && Drain()) return absl::OkStatus();
    Disconnect();
    RETURN_IF_ERROR(Negative(OpenBus(), "connect to the system bus"));
    const char* match =
        "type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved',"
        "path='/org/freedesktop/systemd1'";
    RETURN_IF_ERROR(
        Negative(lib_.add_match(bus_, nullptr, match, OnJobRemoved, this), "match JobRemoved"));
    Call subscribe(lib_, bus_, "Subscribe");
    subscribe.Send().IgnoreError();  // refused on a direct connection, which has the signals anyway
    ReadVersion();
    return absl::OkStatus();
  }

  absl::Status StartTransient(const std::string& unit, const UnitProperties& properties) override {
    std::lock_guard lock(mutex_);
    RETURN_IF_ERROR(Connect());
    Call call(lib_, bus_, "StartTransientUnit");
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
    Call call(lib_, bus_, "SetUnitProperties");
    call.Add(unit);
    call.Add(true);  // until reboot only
    call.Add(properties);
    return base::Annotate(call.Send(), unit);
  }

  absl::Status Stop(const std::string& unit) override {
    std::lock_guard lock(mutex_);
    RETURN_IF_ERROR(Connect());
    Call call(lib_, bus_, "StopUnit");
    call.Add(unit);
    call.Add(std::string("replace"));
    auto status = call.Send();
    if (absl::IsNotFound(status)) return absl::OkStatus();
    if (status.ok()) status = WaitForJob(call.ReplyPath(), unit);
    ResetFailed(unit);
    return base::Annotate(status, unit);
  }

 private:
  int OpenBus() {
    if (address_.empty()) {
      int code = lib_.open_system(&bus_);
      if (code >= 0) return code;
      return OpenAddress(kPrivateAddress) >= 0 ? 0 : code;
    }
    return OpenAddress(address_);
  }

  int OpenAddress(const std::string& address) {
    int code = lib_.new_bus(&bus_);
    if (code >= 0) code = lib_.set_address(bus_, address.c_str());
    if (code >= 0) code = lib_.start(bus_);
    if (code < 0) Disconnect();
    return code;
  }

  // Jobs of others end all the time: unread, their signals would fill the connection's queue, and
  // no call would get through any more. False when the connection is lost.
  bool Drain() {
    int handled = 0;
    do {
      handled = lib_.process(bus_, nullptr);
    } while (handled > 0);
    finished_.clear();
    return handled == 0 && lib_.is_open(bus_) > 0;
  }

  void Disconnect() {
    if (bus_ != nullptr) bus_ = lib_.flush_close_unref(bus_);
    finished_.clear();
  }

  // `252.39-1~deb12u1`, `v245`; 0 when it cannot be told, which leaves the newer properties out.
  void ReadVersion() {
    BusError error;
    char* text = nullptr;
    if (lib_.get_property_string(bus_, kName, kPath, kManager, "Version", &error, &text) >= 0 &&
        text != nullptr) {
      version_ = std::atoi(text + std::strcspn(text, "0123456789"));
      std::free(text);
    }
    lib_.error_free(&error);
  }

  static int OnJobRemoved(sd_bus_message* message, void* self, BusError*) {
    auto& manager = *static_cast<SdBusUnitManager*>(self);
    uint32_t id = 0;
    const char *job = nullptr, *unit = nullptr, *result = nullptr;
    const auto& lib = manager.lib_;
    if (lib.read_basic(message, 'u', &id) > 0 && lib.read_basic(message, 'o', &job) > 0 &&
        lib.read_basic(message, 's', &unit) > 0 && lib.read_basic(message, 's', &result) > 0) {
      manager.finished_[job] = result;
    }
    return 0;
  }

  absl::Status WaitForJob(const std::string& job, const std::string& unit) {
    auto deadline = std::chrono::steady_clock::now() + kJobTimeout;
    for (;;) {
      int handled = 0;
      do {
        handled = lib_.process(bus_, nullptr);
      } while (handled > 0);
      RETURN_IF_ERROR(Negative(handled, "systemd connection"));
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
      RETURN_IF_ERROR(
          Negative(lib_.wait(bus_, static_cast<uint64_t>(left.count())), "systemd connection"));
    }
  }

  void ResetFailed(const std::string& unit) {
    Call call(lib_, bus_, "ResetFailedUnit");
    call.Add(unit);
    call.Send().IgnoreError();  // mostly the unit did not fail
  }

  Library lib_;
  std::string address_;
  std::mutex mutex_;
  sd_bus* bus_ = nullptr;
  int version_ = 0;
  std::map<std::string, std::string> finished_;  // job -> result, since the last wait
};

}  // namespace

absl::StatusOr<std::unique_ptr<UnitManager>> ConnectSystemd(const std::string& address) {
  // Never closed: the connection's code lives in it.
  void* handle = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = dlerror();
    return absl::UnavailableError(std::string("cgroup driver systemd: ") +
                                  (why == nullptr ? "no libsystemd" : why));
  }
  Library lib;
  if (!lib.LoadAll(handle))
    return absl::UnavailableError("cgroup driver systemd: libsystemd.so.0 is too old");
  auto manager = std::make_unique<SdBusUnitManager>(lib, address);
  RETURN_IF_ERROR(base::Annotate(manager->Connect(), "cgroup driver systemd"));
  return std::unique_ptr<UnitManager>(std::move(manager));
}

}  // namespace kubelet::os
