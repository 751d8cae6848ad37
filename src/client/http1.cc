#include "client/http1.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <optional>

#include "kubelet/client/url.h"

namespace kubelet::client {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

// A reader that far behind stops the socket.
constexpr size_t kBufferLimit = 256 * 1024;

std::string Text(string_view view) { return std::string(view.data(), view.size()); }

// Passes one answer on as it comes in.
class Parser : public http::basic_parser<false> {
 public:
  Parser() {
    eager(true);
    body_limit(boost::none);
    header_limit(256 * 1024);
  }
  StreamSink* sink = nullptr;
  size_t unconsumed = 0;
  int status() const { return head_.status; }

 private:
  void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int code, string_view, int, error_code&) override { head_.status = code; }
  void on_field_impl(http::field, string_view name, string_view value, error_code&) override {
    head_.headers.emplace_back(LowerCase(Text(name)), Text(value));
  }
  void on_header_impl(error_code&) override {
    if (head_.status < 200) return;
    int status = head_.status;
    if (sink != nullptr) sink->OnHead(std::move(head_));
    head_ = {};
    head_.status = status;
  }
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code&) override { return Data(body); }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override {
    return Data(body);
  }
  void on_finish_impl(error_code&) override {}
  std::size_t Data(string_view body) {
    if (sink != nullptr) {
      unconsumed += body.size();
      sink->OnData({body.data(), body.size()});
    }
    return body.size();
  }

  ResponseHead head_;
};

class Http1 : public Session {
 public:
  explicit Http1(std::string authority) : authority_(std::move(authority)) {}

  bool CanOpen() const override { return !busy_ && !draining_; }

  int64_t Open(Request request, StreamSink* sink) override {
    busy_ = true;
    ++id_;
    write_done_ = request_sent_ = false;
    parser_.emplace();
    parser_->sink = sink;
    bool bodyless = request.method == "GET" || request.method == "DELETE";
    out_ = request.method + " " + request.target + " HTTP/1.1\r\nhost: " + authority_ + "\r\n";
    for (const auto& [name, value] : request.headers) out_ += name + ": " + value + "\r\n";
    if (!request.body.empty() || !bodyless) {
      out_ += "content-length: " + std::to_string(request.body.size()) + "\r\n";
    }
    out_ += "\r\n";
    out_ += request.body;
    return id_;
  }

  void Close(int64_t id) override {
    if (!busy_ || id != id_) return;
    // Nothing in HTTP/1.1 ends an answer early but the end of the connection.
    parser_->sink = nullptr;
    parser_->unconsumed = 0;
    draining_ = true;
    Finish();
  }

  void Consumed(int64_t id, size_t n) override {
    if (busy_ && id == id_ && parser_) parser_->unconsumed -= std::min(n, parser_->unconsumed);
  }

  absl::Status Receive(std::string_view bytes) override {
    if (!busy_) return absl::UnavailableError("HTTP/1.1: bytes without a request");
    in_.append(bytes);
    while (busy_ && !in_.empty()) {
      error_code ec;
      size_t n = parser_->put(boost::asio::buffer(in_), ec);
      in_.erase(0, n);
      if (ec == http::error::need_more) return absl::OkStatus();
      if (ec) return absl::UnavailableError("HTTP/1.1: " + ec.message());
      if (parser_->is_done()) EndAnswer();
    }
    return absl::OkStatus();
  }

  void Fail(const absl::Status& status) override {
    draining_ = true;
    if (!busy_) return;
    StreamSink* sink = parser_->sink;
    error_code ec;
    // Without a length the end of the connection is the end of the answer.
    bool whole = parser_->got_some() && parser_->is_header_done() && parser_->need_eof();
    if (whole) parser_->put_eof(ec);
    bool processed = request_sent_ || write_done_;
    Finish();
    if (sink == nullptr) return;
    if (whole && !ec) {
      sink->OnEnd();
    } else {
      sink->OnFailure({status, processed, false});
    }
  }

  std::string Send() override {
    if (!out_.empty()) request_sent_ = true;
    return std::exchange(out_, "");
  }
  void Sent() override { write_done_ = true; }
  bool Ping() override { return false; }
  bool WantsRead() const override { return !parser_ || parser_->unconsumed < kBufferLimit; }
  size_t open_streams() const override { return busy_ ? 1 : 0; }
  bool draining() const override { return draining_; }
  void Drain() override { draining_ = true; }

 private:
  void Finish() {
    busy_ = false;
    parser_.reset();
  }
  void EndAnswer() {
    StreamSink* sink = parser_->sink;
    if (parser_->status() < 200) {
      parser_.emplace();
      parser_->sink = sink;
      return;
    }
    if (!parser_->keep_alive() || !write_done_ || !in_.empty()) draining_ = true;
    Finish();
    if (sink != nullptr) sink->OnEnd();
  }

  std::string authority_, in_, out_;
  std::optional<Parser> parser_;
  int64_t id_ = 0;
  bool busy_ = false, draining_ = false, request_sent_ = false, write_done_ = false;
};

}  // namespace

std::unique_ptr<Session> MakeHttp1Session(std::string authority) {
  return std::make_unique<Http1>(std::move(authority));
}

}  // namespace kubelet::client
