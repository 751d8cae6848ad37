#include "server/exchange.h"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>

namespace kubelet::server {
namespace {

namespace http = boost::beast::http;
constexpr uint32_t kHeaderLimit = 64 * 1024;
constexpr uint64_t kBodyLimit = 64 * 1024;
// What a client may send ahead while its long answer is under way.
constexpr size_t kAheadLimit = 64 * 1024;

using Parser = http::request_parser<http::string_body>;
constexpr size_t kLargeBody = 64 * 1024;

std::string Hex(size_t value) {
  char text[32];
  snprintf(text, sizeof text, "%zx", value);
  return text;
}

}  // namespace

const char* ReasonOf(int code) {
  auto text = http::obsolete_reason(static_cast<http::status>(code));
  return text.data();
}

base::Task<bool> Exchange::Refuse(int code, std::string text) {
  keep_alive_ = false;
  co_await Respond(code, kPlainText, std::move(text));
  co_return false;
}

base::Task<bool> Exchange::ReadRequest(std::function<void()> begun) {
  Parser parser;
  parser.header_limit(kHeaderLimit);
  parser.body_limit(kBodyLimit);
  parser.eager(true);
  begun_ = false;
  bool told = false, continued = false;
  for (;;) {
    if (!input_.empty()) {
      if (!told) begun();
      told = true;
      boost::system::error_code ec;
      size_t used = parser.put(boost::asio::buffer(input_), ec);
      input_.erase(0, used);
      if (ec == http::error::need_more) ec = {};
      if (ec == http::error::header_limit)
        co_return co_await Refuse(431, "request header too large\n");
      if (ec == http::error::body_limit) co_return co_await Refuse(413, "request body too large\n");
      if (ec) co_return co_await Refuse(400, "400 Bad Request");
      if (parser.is_done()) break;
      if (parser.is_header_done() && !continued &&
          parser.get()[http::field::expect] == "100-continue") {
        continued = true;
        auto sent = co_await stream_->Write("HTTP/1.1 100 Continue\r\n\r\n");
        if (!sent.ok()) co_return false;
      }
      if (used > 0 && !input_.empty()) continue;
      if (input_.size() > kHeaderLimit)
        co_return co_await Refuse(431, "request header too large\n");
    }
    auto data = co_await stream_->Read();
    if (!data.ok() || data->empty()) co_return false;
    input_ += *data;
  }
  auto& message = parser.get();
  request_ = {};
  request_.method = std::string(message.method_string());
  request_.http11 = message.version() >= 11;
  request_.remote = remote_;
  request_.body = std::move(message.body());
  for (const auto& field : message)
    request_.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  keep_alive_ = message.keep_alive() && request_.http11;
  if (!ParseRequestTarget(std::string(message.target()), request_))
    co_return co_await Refuse(400, "400 Bad Request");
  co_return true;
}

std::string Exchange::Head(int code, const std::string& content_type, const Pairs& headers) const {
  std::string out = "HTTP/1.1 " + std::to_string(code) + " " + ReasonOf(code) + "\r\n";
  if (!content_type.empty()) out += "Content-Type: " + content_type + "\r\n";
  for (const auto& [name, value] : headers) out += name + ": " + value + "\r\n";
  if (!keep_alive_) out += "Connection: close\r\n";
  return out;
}

base::Task<absl::Status> Exchange::Respond(int code, std::string content_type, std::string body,
                                           Pairs headers) {
  begun_ = true;
  std::string text = Head(code, content_type, headers);
  text += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  if (request_.method == "HEAD") body.clear();
  // The figures of a node are megabytes: they are not copied once more.
  bool large = body.size() > kLargeBody;
  if (!large) text += body;
  auto status = co_await stream_->Write(std::move(text));
  if (!large || !status.ok()) co_return status;
  co_return co_await stream_->Write(std::move(body));
}

base::Task<absl::Status> Exchange::Begin(int code, std::string content_type, Pairs headers) {
  begun_ = true;
  chunked_ = request_.http11;
  if (!chunked_) keep_alive_ = false;
  std::string text = Head(code, content_type, headers);
  if (chunked_) text += "Transfer-Encoding: chunked\r\n";
  text += "\r\n";
  co_return co_await stream_->Write(std::move(text));
}

base::Task<absl::Status> Exchange::Send(std::string piece) {
  if (piece.empty()) co_return absl::OkStatus();
  if (chunked_) piece = Hex(piece.size()) + "\r\n" + piece + "\r\n";
  co_return co_await stream_->Write(std::move(piece));
}

base::Task<absl::Status> Exchange::End() {
  if (!chunked_) co_return absl::OkStatus();
  co_return co_await stream_->Write("0\r\n\r\n");
}

base::Task<void> Exchange::WatchHangup(std::function<void()> hook) {
  auto self = shared_from_this();
  keep_alive_ = false;
  while (input_.size() < kAheadLimit) {
    auto data = co_await stream_->Read();
    if (!data.ok() || data->empty()) {
      hung_up_ = true;
      hook();
      co_return;
    }
    input_ += *data;
  }
}

}  // namespace kubelet::server
