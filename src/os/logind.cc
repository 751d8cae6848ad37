#include "kubelet/os/logind.h"

#include <fcntl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <cstring>

#include "kubelet/base/status.h"
#include "kubelet/os/file.h"
#include "os/sd_bus.h"

namespace kubelet::os {
namespace {

constexpr BusPeer kLogind{"logind", "org.freedesktop.login1", "/org/freedesktop/login1",
                          "org.freedesktop.login1.Manager"};
constexpr auto kPatience = std::chrono::seconds(10);
constexpr int kHangUp = 1;
namespace asio = boost::asio;
using Descriptor = asio::posix::basic_stream_descriptor<base::Executor>;

class BusLogind : public Logind {
 public:
  BusLogind(SdBusLibrary lib, const std::string& address) : connection_(lib, address) {}

  absl::Status Connect() {
    RETURN_IF_ERROR(connection_.Open());
    std::string match =
        "type='signal',interface='org.freedesktop.login1.Manager',member='PrepareForShutdown',"
        "path='/org/freedesktop/login1'";
    // Anybody may emit a signal of that name on the bus. A direct peer has no name.
    if (!connection_.direct()) match += ",sender='org.freedesktop.login1'";
    return SdBusStatus(
        lib().add_match(connection_.bus(), nullptr, match.c_str(), OnPrepareForShutdown, this),
        "match PrepareForShutdown");
  }

  absl::StatusOr<base::Nanos> InhibitDelay() override {
    BusError error;
    uint64_t microseconds = 0;
    int code =
        lib().get_property_trivial(connection_.bus(), kLogind.name, kLogind.path, kLogind.interface,
                                   "InhibitDelayMaxUSec", &error, 't', &microseconds);
    std::string text = error.message == nullptr ? std::strerror(-code) : error.message;
    lib().error_free(&error);
    if (code < 0) return absl::UnavailableError("logind InhibitDelayMaxUSec: " + text);
    return base::Nanos(std::chrono::microseconds(microseconds));
  }

  absl::Status Reload() override {
    BusCall call(connection_, kSystemdManager, "KillUnit");
    call.Add(std::string("systemd-logind.service"));
    call.Add(std::string("all"));
    call.Add(int32_t{kHangUp});
    return call.Send(kPatience);
  }

  absl::StatusOr<int> Inhibit(const std::string& why) override {
    BusCall call(connection_, kLogind, "Inhibit");
    for (const std::string& text :
         {std::string("shutdown"), std::string("kubelet"), why, std::string("delay")})
      call.Add(text);
    RETURN_IF_ERROR(call.Send(kPatience));
    int fd = call.ReplyDescriptor();
    if (fd < 0) return absl::UnavailableError("logind Inhibit: no lock in the answer");
    return fd;
  }

  base::Task<absl::StatusOr<std::vector<bool>>> Signals(base::Executor executor) override {
    // The connection keeps its own.
    int copy = fcntl(lib().get_fd(connection_.bus()), F_DUPFD_CLOEXEC, 3);
    if (copy < 0) co_return base::ErrnoStatus(errno, "connection to the system bus");
    Descriptor descriptor(std::move(executor), copy);
    for (;;) {
      auto status = connection_.Process();
      if (!status.ok()) co_return status;
      if (!signals_.empty()) co_return std::exchange(signals_, std::vector<bool>());
      auto [error] = co_await descriptor.async_wait(
          Descriptor::wait_read, asio::as_tuple(asio::use_awaitable_t<base::Executor>()));
      if (error) throw boost::system::system_error(error);  // cancelled
      co_await base::LeaveIfCancelled();
    }
  }

 private:
  const SdBusLibrary& lib() const { return connection_.lib(); }

  static int OnPrepareForShutdown(sd_bus_message* message, void* self, BusError*) {
    auto& logind = *static_cast<BusLogind*>(self);
    int begins = 0;
    if (logind.lib().read_basic(message, 'b', &begins) > 0) logind.signals_.push_back(begins != 0);
    return 0;
  }

  BusConnection connection_;
  std::vector<bool> signals_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Logind>> ConnectLogind(const std::string& address) {
  auto lib = LoadSdBus();
  if (!lib.ok()) return lib.status();
  auto logind = std::make_unique<BusLogind>(*lib, address);
  RETURN_IF_ERROR(logind->Connect());
  return std::unique_ptr<Logind>(std::move(logind));
}

absl::Status WriteInhibitDelay(const std::string& dir, base::Nanos delay) {
  auto seconds = std::chrono::ceil<std::chrono::seconds>(delay).count();
  RETURN_IF_ERROR(MakeDirectories(dir, 0755));
  return WriteFileAtomic(
      dir + "/99-kubelet.conf",
      "# Kubelet logind override\n[Login]\nInhibitDelayMaxSec=" + std::to_string(seconds) + "\n",
      0644);
}

}  // namespace kubelet::os
