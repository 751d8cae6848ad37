#include "kubelet/client/dial.h"

#include <netdb.h>
#include <netinet/tcp.h>

#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <cstring>

#include "client/dial_proxy.h"

namespace kubelet::client {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using Endpoints = std::vector<tcp::endpoint>;

// Each address gets its share of the time, but not less than this.
constexpr base::Nanos kLeastPerAddress = std::chrono::seconds(2);

absl::StatusOr<Endpoints> Lookup(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError("lookup " + host + ": " + ::gai_strerror(error));
  }
  Endpoints out;
  for (addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    tcp::endpoint endpoint;
    if (entry->ai_addrlen > endpoint.capacity()) continue;
    endpoint.resize(entry->ai_addrlen);
    std::memcpy(endpoint.data(), entry->ai_addr, entry->ai_addrlen);
    out.push_back(endpoint);
  }
  ::freeaddrinfo(found);
  if (out.empty()) return absl::UnavailableError("lookup " + host + ": no addresses");
  return out;
}

base::Task<absl::StatusOr<Endpoints>> Resolve(base::BlockingPool& pool, std::string host,
                                              std::string port, base::Nanos timeout) {
  error_code ec;
  auto address = asio::ip::make_address(host, ec);
  if (!ec) {
    Endpoints numeric{tcp::endpoint(address, static_cast<uint16_t>(std::stoi(port)))};
    co_return numeric;
  }
  std::function<absl::StatusOr<Endpoints>()> work = [host, port] { return Lookup(host, port); };
  auto found = co_await pool.Run<Endpoints>("lookup " + host, timeout, std::move(work));
  if (!found.ok()) co_return absl::UnavailableError(base::Message(found.status()));
  co_return found;
}

base::Task<absl::Status> ConnectOne(DialStep& step, tcp::endpoint endpoint, base::Nanos share) {
  auto transport = step.transport;
  transport->Close();
  auto late = std::make_shared<bool>(false);
  auto close = [transport, late] {
    *late = true;
    transport->Close();
  };
  auto timer = step.clock.After(share, std::move(close));
  auto connected = co_await transport->socket.async_connect(endpoint, kDialAwait);
  step.clock.Cancel(timer);
  error_code ec = std::get<0>(connected);
  std::string name =
      "dial tcp " + JoinHostPort(endpoint.address().to_string(), std::to_string(endpoint.port()));
  if (*late && !step.expired) co_return absl::UnavailableError(name + ": timed out");
  co_return step.Failed(name, ec);
}

base::Task<absl::Status> Connect(DialStep& step, base::BlockingPool& pool, std::string host,
                                 std::string port) {
  auto endpoints = co_await Resolve(pool, std::move(host), std::move(port), step.Left());
  if (!endpoints.ok()) co_return endpoints.status();
  absl::Status last;
  for (size_t i = 0; i < endpoints->size() && !step.expired; ++i) {
    auto share = step.Left() / static_cast<int>(endpoints->size() - i);
    last = co_await ConnectOne(step, (*endpoints)[i], std::max(share, kLeastPerAddress));
    if (last.ok()) break;
  }
  co_return last;
}

// OpenSSL's own result does not outlive the handshake.
template <typename Stream>
void VerifyWithWords(Transport& transport, Stream& tls, const std::string& server_name) {
  Transport* raw = &transport;
  error_code ignored;
  tls.set_verify_callback(
      [raw, server_name](bool fine, asio::ssl::verify_context& context) {
        if (!fine && raw->tls_failure.empty()) {
          raw->tls_failure = CertificateFailure(context.native_handle(), server_name);
        }
        return fine;
      },
      ignored);
}

// `tls` is a part of the step's transport, and `below` what it stands on.
template <typename Stream, typename Below>
base::Task<absl::Status> Handshake(DialStep& step, base::BlockingPool& pool, TlsOptions options,
                                   std::optional<Stream>& tls, Below& below) {
  TlsContext context = options.context;
  if (!context) {
    std::function<absl::StatusOr<TlsContext>()> work = [options] {
      return MakeTlsContext(options);
    };
    auto made = co_await pool.Run<TlsContext>("client-tls", step.Left(), std::move(work));
    if (!made.ok()) co_return absl::UnavailableError(base::Message(made.status()));
    context = *made;
  }
  auto transport = step.transport;
  tls.emplace(below, *context);
  VerifyWithWords(*transport, *tls, options.server_name);
  if (auto prepared = PrepareTls(tls->native_handle(), options); !prepared.ok()) co_return prepared;
  auto shaken = co_await tls->async_handshake(asio::ssl::stream_base::client, kDialAwait);
  error_code ec = std::get<0>(shaken);
  if (!ec || step.expired || ec == asio::error::operation_aborted) {
    co_return step.Failed("tls handshake", ec);
  }
  co_return absl::UnavailableError(transport->Explain(ec));
}

// TLS to the proxy itself: trusts and shows what the server behind it is trusted by and shown, as
// net/http's Transport does.
base::Task<absl::Status> HandshakeWithProxy(DialStep& step, base::BlockingPool& pool,
                                            TlsOptions options, std::string host) {
  options.server_name = std::move(host);
  options.http2 = false;
  auto done = co_await Handshake(step, pool, std::move(options), step.transport->wire.proxy_tls,
                                 step.transport->socket);
  co_return done;
}

}  // namespace

absl::Status DialStep::Failed(const std::string& what, const error_code& ec) const {
  if (expired) return absl::UnavailableError(what + ": timed out");
  if (!ec) return absl::OkStatus();
  if (ec == asio::error::operation_aborted) throw boost::system::system_error(ec);
  return absl::UnavailableError(what + ": " + Words(ec));
}

void WatchOverPeer(tcp::socket& socket) {
  error_code ignored;
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  auto set = [&socket](int option, int value) {
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, option, &value, sizeof value);
  };
  set(TCP_KEEPIDLE, 10);
  set(TCP_KEEPINTVL, 5);
  set(TCP_KEEPCNT, 3);
  set(TCP_USER_TIMEOUT, 30'000);
}

std::string Words(const error_code& ec) {
  std::string text = ec.message();
  // The system's texts begin with a capital, ours stand in a sentence.
  if (ec.category() == boost::system::system_category() && !text.empty()) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  if (ec == asio::error::eof) return "the server closed the connection";
  return text;
}

std::string Transport::Explain(const error_code& ec) {
  if (ec == asio::ssl::error::stream_truncated) return Words(asio::error::eof);
  if (!tls_failure.empty()) return tls_failure;
  bool of_tls = ec.category() == asio::error::get_ssl_category();
  return (of_tls ? "tls: " : "") + Words(ec);
}

base::Task<absl::StatusOr<std::shared_ptr<Transport>>> Dial(base::Executor executor,
                                                            base::Clock& clock,
                                                            base::BlockingPool& pool,
                                                            DialTarget target) {
  DialStep step(executor, clock, target.timeout);
  std::string host = target.proxy ? target.proxy->host : target.server.host;
  std::string port = target.proxy ? target.proxy->port : target.server.port;
  auto done = co_await Connect(step, pool, host, port);
  if (done.ok()) {
    error_code ignored;
    step.transport->socket.set_option(tcp::no_delay(true), ignored);
    WatchOverPeer(step.transport->socket);
  }
  if (done.ok() && target.proxy && target.proxy->tls) {
    done = co_await HandshakeWithProxy(step, pool, target.tls, host);
  }
  if (!done.ok() && target.proxy) {
    done = base::Annotate(done, "proxy " + JoinHostPort(host, port));
  } else if (done.ok() && target.proxy) {
    done = co_await ConnectThrough(step, *target.proxy, target.server);
  }
  if (done.ok() && target.server.https) {
    auto& transport = *step.transport;
    done = co_await Handshake(step, pool, target.tls, transport.tls, transport.wire);
  }
  if (!done.ok()) {
    step.transport->Close();
    co_return done;
  }
  auto transport = step.transport;
  transport->http2 = transport->tls && ChoseHttp2(transport->tls->native_handle());
  co_return transport;
}

}  // namespace kubelet::client
