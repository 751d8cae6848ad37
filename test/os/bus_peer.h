// A peer on a D-Bus connection of its own, without a bus between: what sits behind systemd's or
// logind's name. Its thread is real, as the other side of a socket is. sd-bus is loaded, not
// linked, as in the program.
#pragma once

#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>

#include <atomic>
#include <iostream>
#include <string>
#include <thread>

#include "catch.h"
#include "os/temp_dir.h"

namespace kubelet::os::test_bus {

template <typename F>
F Load(const char* name) {
  static void* handle = dlopen("libsystemd.so.0", RTLD_NOW);
  return reinterpret_cast<F>(dlsym(handle, name));
}
#define BUS(name) ::kubelet::os::test_bus::Load<decltype(&::name)>(#name)

inline bool HaveLibrary() {
  if (dlopen("libsystemd.so.0", RTLD_NOW) != nullptr) return true;
  std::cerr << "SKIPPED: no libsystemd.so.0\n";
  return false;
}

class Peer {
 public:
  Peer() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s", (dir_ / "bus").c_str());
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(listen(listener_, 4) == 0);
  }
  virtual ~Peer() { close(listener_); }
  std::string Address() const { return "unix:path=" + (dir_ / "bus"); }
  // Hangs up on the next message, or at once when nothing happens.
  std::atomic<bool> drop{false};

 protected:
  // Of the most derived class, first and last.
  void StartServing() {
    // The other end of the bus: the code under test talks to it in blocking calls.
    thread_ = std::thread([this] { Serve(); });
  }
  void StopServing() {
    stop_ = true;
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
  }
  // On the peer's thread.
  virtual int Handle(sd_bus_message* message) = 0;
  virtual void Idle(sd_bus*) {}

 private:
  void Serve() {
    while (!stop_) {
      int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      sd_bus* bus = nullptr;
      BUS(sd_bus_new)(&bus);
      BUS(sd_bus_set_fd)(bus, fd, fd);
      sd_id128_t id{};
      id.bytes[0] = 1;
      BUS(sd_bus_set_server)(bus, 1, id);
      BUS(sd_bus_add_filter)(bus, nullptr, OnMessage, this);
      BUS(sd_bus_start)(bus);
      bool open = true;
      while (open && !stop_) {
        int handled = BUS(sd_bus_process)(bus, nullptr);
        if (handled == 0) {
          Idle(bus);
          BUS(sd_bus_wait)(bus, 20000);
        }
        open = handled >= 0 && !drop.exchange(false);
      }
      BUS(sd_bus_flush_close_unref)(bus);
    }
  }
  static int OnMessage(sd_bus_message* message, void* self, sd_bus_error*) {
    return static_cast<Peer*>(self)->Handle(message);
  }

  test::TempDir dir_;
  int listener_ = -1;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace kubelet::os::test_bus
