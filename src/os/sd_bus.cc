#include "os/sd_bus.h"

#include <dlfcn.h>
#include <fcntl.h>

#include <cstring>

#include "kubelet/base/status.h"

namespace kubelet::os {
namespace {

template <typename F>
bool Load(void* handle, const char* name, F& function) {
  function = reinterpret_cast<F>(dlsym(handle, name));
  return function != nullptr;
}

bool LoadAll(void* handle, SdBusLibrary& lib) {
  return Load(handle, "sd_bus_open_system", lib.open_system) &&
         Load(handle, "sd_bus_new", lib.new_bus) &&
         Load(handle, "sd_bus_set_address", lib.set_address) &&
         Load(handle, "sd_bus_start", lib.start) &&
         Load(handle, "sd_bus_flush_close_unref", lib.flush_close_unref) &&
         Load(handle, "sd_bus_is_open", lib.is_open) &&
         Load(handle, "sd_bus_message_new_method_call", lib.new_method_call) &&
         Load(handle, "sd_bus_call", lib.call) &&
         Load(handle, "sd_bus_message_append_basic", lib.append_basic) &&
         Load(handle, "sd_bus_message_append_array", lib.append_array) &&
         Load(handle, "sd_bus_message_open_container", lib.open_container) &&
         Load(handle, "sd_bus_message_close_container", lib.close_container) &&
         Load(handle, "sd_bus_message_read_basic", lib.read_basic) &&
         Load(handle, "sd_bus_message_unref", lib.message_unref) &&
         Load(handle, "sd_bus_add_match", lib.add_match) &&
         Load(handle, "sd_bus_process", lib.process) && Load(handle, "sd_bus_wait", lib.wait) &&
         Load(handle, "sd_bus_error_free", lib.error_free) &&
         Load(handle, "sd_bus_get_property_string", lib.get_property_string) &&
         Load(handle, "sd_bus_get_property_trivial", lib.get_property_trivial) &&
         Load(handle, "sd_bus_get_fd", lib.get_fd);
}

}  // namespace

absl::StatusOr<SdBusLibrary> LoadSdBus() {
  // Never closed: the code of connections lives in it.
  void* handle = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = dlerror();
    return absl::UnavailableError(why == nullptr ? "no libsystemd" : why);
  }
  SdBusLibrary lib;
  if (!LoadAll(handle, lib)) return absl::UnavailableError("libsystemd.so.0 is too old");
  return lib;
}

absl::Status SdBusStatus(int code, const std::string& what) {
  return code >= 0 ? absl::OkStatus() : absl::UnavailableError(what + ": " + std::strerror(-code));
}

absl::Status BusConnection::Open() {
  Close();
  direct_ = !address_.empty();
  int code = direct_ ? OpenAddress(address_) : lib_.open_system(&bus_);
  if (code < 0 && !direct_ && !fallback_.empty()) {
    direct_ = true;
    if (OpenAddress(fallback_) >= 0) code = 0;
  }
  return SdBusStatus(code, "connect to the system bus");
}

int BusConnection::OpenAddress(const std::string& address) {
  int code = lib_.new_bus(&bus_);
  if (code >= 0) code = lib_.set_address(bus_, address.c_str());
  if (code >= 0) code = lib_.start(bus_);
  if (code < 0) Close();
  return code;
}

void BusConnection::Close() {
  if (bus_ != nullptr) bus_ = lib_.flush_close_unref(bus_);
}

absl::Status BusConnection::Process() {
  if (bus_ == nullptr) return absl::UnavailableError("not connected to the system bus");
  int handled = 0;
  do {
    handled = lib_.process(bus_, nullptr);
  } while (handled > 0);
  if (handled == 0 && !IsOpen()) handled = -ENOTCONN;
  return SdBusStatus(handled, "connection to the system bus");
}

BusCall::BusCall(const BusConnection& connection, const BusPeer& peer, const char* method)
    : lib_(connection.lib()),
      bus_(connection.bus()),
      label_(std::string(peer.label) + " " + method) {
  Keep(lib_.new_method_call(bus_, &message_, peer.name, peer.path, peer.interface, method));
}

BusCall::~BusCall() {
  lib_.error_free(&error_);
  if (message_ != nullptr) lib_.message_unref(message_);
  if (reply_ != nullptr) lib_.message_unref(reply_);
}

void BusCall::Add(const std::string& text) {
  Keep(ok() ? lib_.append_basic(message_, 's', text.c_str()) : 0);
}

void BusCall::Add(bool value) {
  int number = value ? 1 : 0;  // a D-Bus boolean is an int here
  Keep(ok() ? lib_.append_basic(message_, 'b', &number) : 0);
}

void BusCall::Add(int32_t value) { Keep(ok() ? lib_.append_basic(message_, 'i', &value) : 0); }

void BusCall::Add(uint64_t value) { Keep(ok() ? lib_.append_basic(message_, 't', &value) : 0); }

void BusCall::AddBytes(const void* data, size_t size) {
  Keep(ok() ? lib_.append_array(message_, 'y', data, size) : 0);
}

void BusCall::Open(char kind, const char* contents) {
  Keep(ok() ? lib_.open_container(message_, kind, contents) : 0);
}

void BusCall::Close() { Keep(ok() ? lib_.close_container(message_) : 0); }

absl::Status BusCall::Send(std::chrono::microseconds timeout) {
  if (!ok()) return SdBusStatus(code_, label_ + ": cannot build the call");
  int sent = lib_.call(bus_, message_, static_cast<uint64_t>(timeout.count()), &error_, &reply_);
  if (sent >= 0) return absl::OkStatus();
  std::string name = error_.name == nullptr ? "" : error_.name;
  std::string text =
      label_ + ": " + (error_.message == nullptr ? std::strerror(-sent) : error_.message);
  if (name == "org.freedesktop.systemd1.UnitExists") return absl::AlreadyExistsError(text);
  if (name == "org.freedesktop.systemd1.NoSuchUnit") return absl::NotFoundError(text);
  if (name == "org.freedesktop.DBus.Error.AccessDenied") return absl::PermissionDeniedError(text);
  return absl::UnavailableError(text);
}

std::string BusCall::ReplyPath() {
  const char* path = nullptr;
  return reply_ != nullptr && lib_.read_basic(reply_, 'o', &path) > 0 && path != nullptr ? path
                                                                                         : "";
}

int BusCall::ReplyDescriptor() {
  int fd = -1;
  if (reply_ == nullptr || lib_.read_basic(reply_, 'h', &fd) <= 0) return -1;
  return fcntl(fd, F_DUPFD_CLOEXEC, 3);  // the message closes its own
}

}  // namespace kubelet::os
