#include "client/dial_proxy.h"

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

namespace kubelet::client {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr size_t kHeadLimit = 16 * 1024;

absl::Status No(const std::string& why) { return absl::UnavailableError("proxy: " + why); }

base::Task<absl::Status> Write(DialStep& step, std::string bytes) {
  auto done = co_await asio::async_write(step.transport->wire, asio::buffer(bytes), kDialAwait);
  error_code ec = std::get<0>(done);
  co_return step.Failed("proxy", ec);
}

base::Task<absl::Status> Read(DialStep& step, std::string& out, size_t n) {
  out.assign(n, '\0');
  auto done = co_await asio::async_read(step.transport->wire, asio::buffer(out), kDialAwait);
  error_code ec = std::get<0>(done);
  co_return step.Failed("proxy", ec);
}

base::Task<absl::Status> HttpConnect(DialStep& step, Proxy proxy, ServerUrl server) {
  std::string target = JoinHostPort(server.host, server.port);
  std::string request = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n";
  if (!proxy.user_info.empty()) {
    request += "Proxy-Authorization: " + BasicAuthorization(proxy.user_info) + "\r\n";
  }
  auto done = co_await Write(step, request + "\r\n");
  std::string head;
  // Nothing comes behind the head before we speak, so reading on cannot take what is the server's.
  while (done.ok() && head.find("\r\n\r\n") == std::string::npos) {
    if (head.size() > kHeadLimit) co_return No("its answer has no end");
    char chunk[1024];
    auto got = co_await step.transport->wire.async_read_some(asio::buffer(chunk), kDialAwait);
    error_code ec = std::get<0>(got);
    done = step.Failed("proxy", ec);
    head.append(chunk, std::get<1>(got));
  }
  if (!done.ok()) co_return done;
  std::string line = head.substr(0, head.find("\r\n"));
  if (line.rfind("HTTP/1.", 0) != 0 || line.size() < 12) co_return No("not an HTTP proxy");
  if (line.compare(9, 3, "200") != 0) co_return No("CONNECT " + target + ": " + line.substr(9));
  if (head.find("\r\n\r\n") + 4 != head.size()) co_return No("bytes behind its answer");
  co_return absl::OkStatus();
}

std::string Counted(const std::string& text) {
  return static_cast<char>(static_cast<unsigned char>(text.size())) + text;
}

base::Task<absl::Status> SocksLogIn(DialStep& step, std::string user_info) {
  std::string user = user_info.substr(0, user_info.find(':'));
  std::string password = user_info.substr(user.size() + 1);
  if (user.size() > 255 || password.size() > 255) co_return No("user or password too long");
  auto done = co_await Write(step, std::string("\x01") + Counted(user) + Counted(password));
  std::string answer;
  if (done.ok()) done = co_await Read(step, answer, 2);
  if (!done.ok()) co_return done;
  if (answer[1] != 0) co_return No("SOCKS5: wrong user or password");
  co_return absl::OkStatus();
}

base::Task<absl::Status> SocksConnect(DialStep& step, ServerUrl server) {
  if (server.host.size() > 255) co_return No("host name too long");
  int port = std::stoi(server.port);
  std::string request("\x05\x01\x00\x03", 4);
  request += Counted(server.host);
  request += static_cast<char>(port >> 8);
  request += static_cast<char>(port & 255);
  auto done = co_await Write(step, request);
  std::string answer;
  if (done.ok()) done = co_await Read(step, answer, 5);
  if (!done.ok()) co_return done;
  if (answer[1] != 0) {
    static const char* const kReasons[] = {"",
                                           "general failure",
                                           "not allowed",
                                           "network unreachable",
                                           "host unreachable",
                                           "connection refused",
                                           "TTL expired"};
    int code = static_cast<unsigned char>(answer[1]);
    co_return No("SOCKS5: " +
                 (code < 7 ? std::string(kReasons[code]) : "error " + std::to_string(code)));
  }
  // The rest of the bound address and its port, of no interest.
  size_t rest = answer[3] == 1   ? 5
                : answer[3] == 4 ? 17
                                 : static_cast<unsigned char>(answer[4]) + 2;
  co_return co_await Read(step, answer, rest);
}

base::Task<absl::Status> Socks5(DialStep& step, Proxy proxy, ServerUrl server) {
  std::string offer(proxy.user_info.empty() ? "\x05\x01\x00" : "\x05\x01\x02", 3);
  auto done = co_await Write(step, offer);
  std::string answer;
  if (done.ok()) done = co_await Read(step, answer, 2);
  if (!done.ok()) co_return done;
  if (answer[0] != 5) co_return No("not a SOCKS5 proxy");
  if (answer[1] != offer[2]) co_return No("SOCKS5: it wants another way to log in");
  if (!proxy.user_info.empty()) done = co_await SocksLogIn(step, proxy.user_info);
  if (!done.ok()) co_return done;
  co_return co_await SocksConnect(step, std::move(server));
}

}  // namespace

base::Task<absl::Status> ConnectThrough(DialStep& step, Proxy proxy, ServerUrl server) {
  absl::Status done;
  if (proxy.kind == Proxy::Kind::kSocks5) {
    done = co_await Socks5(step, std::move(proxy), std::move(server));
  } else {
    done = co_await HttpConnect(step, std::move(proxy), std::move(server));
  }
  co_return done;
}

}  // namespace kubelet::client
