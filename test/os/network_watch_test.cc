#include "kubelet/os/network_watch.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstring>
#include <iostream>
#include <string>
#include <thread>

#include "catch.h"
#include "os/fd.h"

namespace kubelet::os {
namespace {

template <typename T>
std::string Message(uint16_t type, const T& body) {
  nlmsghdr head{};
  head.nlmsg_type = type;
  head.nlmsg_len = NLMSG_LENGTH(sizeof body);
  std::string out(NLMSG_ALIGN(head.nlmsg_len), '\0');
  std::memcpy(out.data(), &head, sizeof head);
  std::memcpy(out.data() + NLMSG_HDRLEN, &body, sizeof body);
  return out;
}

std::string Address(uint16_t type, unsigned char scope) {
  ifaddrmsg body{};
  body.ifa_scope = scope;
  return Message(type, body);
}

std::string Route(uint16_t type, unsigned char bits) {
  rtmsg body{};
  body.rtm_dst_len = bits;
  return Message(type, body);
}

std::string Link(unsigned changed) {
  ifinfomsg body{};
  body.ifi_change = changed;
  return Message(RTM_NEWLINK, body);
}

TEST_CASE("news of the network that may change the node's address") {
  CHECK(MattersToAddresses(Address(RTM_NEWADDR, RT_SCOPE_UNIVERSE)));
  CHECK(MattersToAddresses(Address(RTM_DELADDR, RT_SCOPE_SITE)));
  CHECK(MattersToAddresses(Route(RTM_NEWROUTE, 0)));
  CHECK(MattersToAddresses(Route(RTM_DELROUTE, 0)));
  CHECK(MattersToAddresses(Link(IFF_UP | IFF_RUNNING)));
  // What a start of a pod brings, and the end of the link of one.
  const std::string pod = Link(IFF_RUNNING) + Address(RTM_NEWADDR, RT_SCOPE_LINK) +
                          Address(RTM_NEWADDR, RT_SCOPE_HOST) + Route(RTM_NEWROUTE, 32) +
                          Message(RTM_DELLINK, ifinfomsg{});
  CHECK_FALSE(MattersToAddresses(pod));
  CHECK(MattersToAddresses(pod + Address(RTM_DELADDR, RT_SCOPE_UNIVERSE)));
  // Cut short, or no message at all.
  std::string whole = Address(RTM_NEWADDR, RT_SCOPE_UNIVERSE);
  for (size_t length = 0; length < NLMSG_LENGTH(sizeof(ifaddrmsg)); ++length)
    CHECK_FALSE(MattersToAddresses(whole.substr(0, length)));
  nlmsghdr empty{};
  CHECK_FALSE(MattersToAddresses(std::string(reinterpret_cast<const char*>(&empty), sizeof empty)));
}

TEST_CASE("what changes in the network is told") {
  int told = 0;
  bool apart = false;
  // A network namespace of its own, of this thread alone.
  std::thread([&] {
    apart = unshare(CLONE_NEWNET) == 0;
    if (!apart) return;
    boost::asio::io_context io(1);
    NetworkWatch watch(io.get_executor(), [&told] { ++told; });
    if (!watch.Start().ok()) return;
    io.poll();
    Fd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    if (told != 0 || ioctl(any.get(), SIOCSIFFLAGS, &request) != 0) return;
    io.restart();
    for (int i = 0; i < 500 && told == 0; ++i) io.run_one_for(std::chrono::milliseconds(20));
  }).join();
  if (apart) {
    CHECK(told > 0);
  } else {
    std::cerr << "SKIPPED: this process may not make a network namespace\n";
  }
}

TEST_CASE("a watch of the network starts, twice, and ends without a word") {
  boost::asio::io_context io(1);
  int told = 0;
  {
    NetworkWatch watch(io.get_executor(), [&told] { ++told; });
    REQUIRE(watch.Start().ok());
    CHECK(watch.Start().ok());
    io.poll();
    watch.Stop();
    io.restart();
    io.poll();
    told = 0;
    REQUIRE(watch.Start().ok());
  }
  io.restart();
  io.poll();
  CHECK(told == 0);
}

}  // namespace
}  // namespace kubelet::os
