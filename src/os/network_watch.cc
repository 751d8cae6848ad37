#include "kubelet/os/network_watch.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "kubelet/base/status.h"

namespace kubelet::os {

using Descriptor = boost::asio::posix::basic_stream_descriptor<base::Executor>;

namespace {

template <typename T>
bool Body(std::string_view message, T& out) {
  if (message.size() < NLMSG_HDRLEN + sizeof out) return false;
  std::memcpy(&out, message.data() + NLMSG_HDRLEN, sizeof out);
  return true;
}

bool Matters(uint16_t type, std::string_view message) {
  ifaddrmsg address{};
  rtmsg route{};
  ifinfomsg link{};
  switch (type) {
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return Body(message, address) && address.ifa_scope < RT_SCOPE_LINK;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return Body(message, route) && route.rtm_dst_len == 0;
    case RTM_NEWLINK:
      return Body(message, link) && (link.ifi_change & IFF_UP) != 0;
    default:
      return false;
  }
}

}  // namespace

bool MattersToAddresses(std::string_view messages) {
  while (messages.size() >= sizeof(nlmsghdr)) {
    nlmsghdr head;
    std::memcpy(&head, messages.data(), sizeof head);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > messages.size()) break;
    if (Matters(head.nlmsg_type, messages.substr(0, head.nlmsg_len))) return true;
    messages.remove_prefix(std::min<size_t>(NLMSG_ALIGN(head.nlmsg_len), messages.size()));
  }
  return false;
}

struct NetworkWatch::State : std::enable_shared_from_this<State> {
  State(const base::Executor& executor, std::function<void()> call)
      : descriptor(executor), on_change(std::move(call)) {}

  void Wait() {
    descriptor.async_wait(Descriptor::wait_read,
                          [weak = weak_from_this()](boost::system::error_code ec) {
                            auto self = weak.lock();
                            if (ec || !self || !self->descriptor.is_open()) return;
                            bool told = self->Drain();
                            self->Wait();
                            if (told) self->on_change();
                          });
  }

  // Whether there was something of interest among what is there.
  bool Drain() {
    bool told = false;
    alignas(nlmsghdr) char buffer[16384];
    for (;;) {
      ssize_t n = ::recv(descriptor.native_handle(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (n < 0 && errno == EINTR) continue;
      // What was dropped may have been of interest.
      if (n < 0 && errno == ENOBUFS) {
        told = true;
        continue;
      }
      if (n <= 0) return told;
      told = told || MattersToAddresses(std::string_view(buffer, static_cast<size_t>(n)));
    }
  }

  Descriptor descriptor;
  std::function<void()> on_change;
};

NetworkWatch::NetworkWatch(base::Executor executor, std::function<void()> on_change)
    : state_(std::make_shared<State>(executor, std::move(on_change))) {}

NetworkWatch::~NetworkWatch() { Stop(); }

absl::Status NetworkWatch::Start() {
  if (state_->descriptor.is_open()) return absl::OkStatus();
  auto failed = [](int error) {
    return absl::UnavailableError(base::Message(base::ErrnoStatus(error, "listen to rtnetlink")));
  };
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (fd < 0) return failed(errno);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups =
      RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  int error = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ? errno : 0;
  boost::system::error_code ec;
  if (error == 0) state_->descriptor.assign(fd, ec);
  if (error != 0 || ec) {
    close(fd);
    return failed(error != 0 ? error : ec.value());
  }
  state_->Wait();
  return absl::OkStatus();
}

void NetworkWatch::Stop() {
  boost::system::error_code ignored;
  state_->descriptor.close(ignored);
}

}  // namespace kubelet::os
