// Servers on loopback that say exactly what a test tells them to, in the test's own loop.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string>

namespace kubelet::probe {

class Loopback {
  using tcp = boost::asio::ip::tcp;

 public:
  struct Session : std::enable_shared_from_this<Session> {
    explicit Session(tcp::socket s) : socket(std::move(s)) {}
    tcp::socket socket;
    std::string in;  // all that has come
    char buffer[4096];
    std::string out;
    std::function<void(std::string)> on_bytes;  // of a protocol that answers by itself
    bool ended = false;                         // the client has closed
    void Write(const std::string& bytes) {
      out = bytes;
      boost::system::error_code ignored;
      boost::asio::write(socket, boost::asio::buffer(out), ignored);
    }
    void Close() {
      boost::system::error_code ignored;
      socket.close(ignored);
    }
  };
  using SessionPtr = std::shared_ptr<Session>;

  // `on_data` runs whenever bytes have come. `address` 127.0.0.1 or ::1.
  explicit Loopback(boost::asio::io_context& io, std::function<void(Session&)> on_data = {},
                    const std::string& address = "127.0.0.1")
      : on_data_(std::move(on_data)), acceptor_(io, {boost::asio::ip::make_address(address), 0}) {
    Accept();
  }
  uint16_t port() const { return acceptor_.local_endpoint().port(); }
  const std::list<SessionPtr>& sessions() const { return sessions_; }
  // Of those that are over.
  void Forget() {
    sessions_.remove_if([](const auto& s) { return s->ended || !s->socket.is_open(); });
  }
  std::function<void(SessionPtr)> on_open;

 private:
  void Accept() {
    acceptor_.async_accept([this](boost::system::error_code ec, tcp::socket socket) {
      if (ec) return;
      sessions_.push_back(std::make_shared<Session>(std::move(socket)));
      if (on_open) on_open(sessions_.back());
      Read(sessions_.back());
      Accept();
    });
  }
  void Read(SessionPtr session) {
    session->socket.async_read_some(boost::asio::buffer(session->buffer),
                                    [this, session](boost::system::error_code ec, size_t n) {
                                      if (ec == boost::asio::error::operation_aborted) return;
                                      if (ec) {
                                        session->ended = true;
                                        return;
                                      }
                                      session->in.append(session->buffer, n);
                                      if (session->on_bytes)
                                        session->on_bytes(std::string(session->buffer, n));
                                      if (on_data_) on_data_(*session);
                                      if (session->socket.is_open()) Read(session);
                                    });
  }
  std::function<void(Session&)> on_data_;
  tcp::acceptor acceptor_;
  std::list<SessionPtr> sessions_;
};

}  // namespace kubelet::probe
