// The message bus of the system, through libsystemd.so.0, which is loaded when somebody first needs
// it: a machine without systemd does without. Internal to the room. Every call blocks; a connection
// belongs to one caller at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace kubelet::os {

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

struct SdBusLibrary {
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
  int (*get_property_trivial)(sd_bus*, const char*, const char*, const char*, const char*,
                              BusError*, char, void*) = nullptr;
  int (*get_fd)(sd_bus*) = nullptr;
};

// Unavailable when the library is not there or too old; stays loaded for ever.
absl::StatusOr<SdBusLibrary> LoadSdBus();

// Unavailable for a negative errno of sd-bus.
absl::Status SdBusStatus(int code, const std::string& what);

// An object and its interface.
struct BusPeer {
  const char* label;  // for messages: `systemd`
  const char *name, *path, *interface;
};
inline constexpr BusPeer kSystemdManager{"systemd", "org.freedesktop.systemd1",
                                         "/org/freedesktop/systemd1",
                                         "org.freedesktop.systemd1.Manager"};

// A connection that is opened when it is needed, and again after it was lost. `address` is of a
// peer, for tests; empty: the system bus, else `fallback` (empty: none).
class BusConnection {
 public:
  BusConnection(SdBusLibrary lib, std::string address, std::string fallback = "")
      : lib_(lib), address_(std::move(address)), fallback_(std::move(fallback)) {}
  ~BusConnection() { Close(); }
  BusConnection(const BusConnection&) = delete;
  BusConnection& operator=(const BusConnection&) = delete;

  absl::Status Open();
  void Close();
  bool IsOpen() const { return bus_ != nullptr && lib_.is_open(bus_) > 0; }
  bool direct() const { return direct_; }  // to a peer, without a bus between
  // Hands on what has come. Unavailable: the connection is lost.
  absl::Status Process();
  const SdBusLibrary& lib() const { return lib_; }
  sd_bus* bus() const { return bus_; }

 private:
  int OpenAddress(const std::string& address);
  SdBusLibrary lib_;
  std::string address_, fallback_;
  sd_bus* bus_ = nullptr;
  bool direct_ = false;
};

// A method call under construction and its answer; every Add reports the first failure at Send.
class BusCall {
 public:
  BusCall(const BusConnection& connection, const BusPeer& peer, const char* method);
  ~BusCall();
  BusCall(const BusCall&) = delete;
  BusCall& operator=(const BusCall&) = delete;

  void Add(const std::string& text);
  void Add(bool value);
  void Add(int32_t value);
  void Add(uint64_t value);
  void AddBytes(const void* data, size_t size);
  void Open(char kind, const char* contents);
  void Close();

  // Unavailable, or the code that the remote error's name stands for.
  absl::Status Send(std::chrono::microseconds timeout);
  std::string ReplyPath();
  // A descriptor of our own; -1: there is none in the answer.
  int ReplyDescriptor();

 private:
  bool ok() const { return code_ >= 0; }
  void Keep(int code) {
    if (code < 0 && code_ >= 0) code_ = code;
  }
  const SdBusLibrary& lib_;
  sd_bus* bus_;
  std::string label_;
  sd_bus_message* message_ = nullptr;
  sd_bus_message* reply_ = nullptr;
  BusError error_;
  int code_ = 0;
};

}  // namespace kubelet::os
