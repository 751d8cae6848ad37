#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdio>

#include "fakes/http2_server_connection.h"

namespace kubelet::fakes {
namespace {

namespace http = boost::beast::http;

class Http1;

// One exchange, and after an upgrade the raw connection.
struct Exchange : Responder, RawConnection {
  Http1* owner = nullptr;  // null once closed
  bool head_sent = false, ended = false, chunked = true;
  std::function<void()> on_closed;

  void Head(int status, Headers headers) override;
  void Body(std::string chunk) override;
  void End() override;
  void Reset(uint32_t) override;
  size_t unsent() const override;
  bool open() const override { return owner != nullptr && !ended; }
  void OnClosed(std::function<void()> callback) override { on_closed = std::move(callback); }
  std::shared_ptr<RawConnection> Upgrade(Headers headers) override;
  void Write(std::string bytes) override;
  void Close() override;
  void OnBytes(std::function<void(std::string)> callback) override;

  std::weak_ptr<Exchange> self;
};

class Http1 : public ServerProtocol {
 public:
  explicit Http1(ServerConnection& connection) : connection_(connection) { NewParser(); }

  bool Receive(const std::string& bytes) override {
    in_ += bytes;
    if (raw_) {
      DeliverRaw();
      return true;
    }
    return Parse();
  }
  std::string Send() override { return std::exchange(out_, ""); }
  void Closed() override {
    auto current = std::exchange(current_, nullptr);
    if (!current) return;
    current->owner = nullptr;
    auto on_bytes = std::exchange(on_bytes_, nullptr);
    if (on_bytes) on_bytes("");
    auto callback = std::exchange(current->on_closed, nullptr);
    if (callback && !current->ended) callback();
  }
  bool Finished() const override { return finished_; }

  void Append(const std::string& bytes) {
    out_ += bytes;
    connection_.Flush();
  }
  void ExchangeEnded() {
    if (current_) current_->owner = nullptr;
    current_ = nullptr;
    if (!keep_alive_) finished_ = true;
    connection_.Flush();
    if (keep_alive_ && !Parse()) connection_.Close(false);
  }
  void Abort() { connection_.Close(true); }
  void CloseAfterWrite() {
    finished_ = true;
    connection_.Flush();
  }
  void SetRaw() { raw_ = true; }
  void SetOnBytes(std::function<void(std::string)> callback) {
    on_bytes_ = std::move(callback);
    DeliverRaw();
  }
  size_t unsent() const { return out_.size(); }
  bool head_request = false;

 private:
  void NewParser() {
    parser_.emplace();
    parser_->eager(true);
    parser_->body_limit(boost::none);
  }
  void DeliverRaw() {
    if (!on_bytes_ || in_.empty()) return;
    auto callback = on_bytes_;
    callback(std::exchange(in_, ""));
  }
  // Runtimes try TLS with a registry of this machine first; by an answer in HTTP they see that it
  // has none.
  bool Refuse() {
    Append("HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    CloseAfterWrite();
    return true;
  }
  // One request at a time; what comes behind it waits in in_.
  bool Parse() {
    if (current_ || finished_) return true;
    boost::system::error_code ec;
    while (!in_.empty() && !parser_->is_done()) {
      size_t n = parser_->put(boost::asio::buffer(in_), ec);
      in_.erase(0, n);
      if (ec == http::error::need_more) return true;
      if (ec) return Refuse();
    }
    if (!parser_->is_done()) return true;
    auto request = connection_.NewRequest();
    auto& message = parser_->get();
    request.method = std::string(message.method_string());
    std::string target(message.target());
    size_t mark = target.find('?');
    request.path = target.substr(0, mark);
    if (mark != std::string::npos) request.query = target.substr(mark + 1);
    for (const auto& field : message) {
      std::string name(field.name_string());
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      // Several of one name are one list (RFC 9110, 5.3): the protocols that a client of streams speaks.
      std::string& all = request.headers[name];
      all += (all.empty() ? "" : ", ") + std::string(field.value());
    }
    request.body = std::move(message.body());
    keep_alive_ = message.keep_alive();
    head_request = request.method == "HEAD";
    NewParser();
    current_ = std::make_shared<Exchange>();
    current_->owner = this;
    current_->self = current_;
    connection_.shared().Dispatch(std::move(request), current_);
    return true;
  }

  ServerConnection& connection_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::shared_ptr<Exchange> current_;
  std::function<void(std::string)> on_bytes_;
  std::string in_, out_;
  bool keep_alive_ = true, finished_ = false, raw_ = false;
};

std::string HeadText(int status, const Responder::Headers& headers) {
  std::string out =
      "HTTP/1.1 " + std::to_string(status) + " " +
      std::string(http::obsolete_reason(http::int_to_status(static_cast<unsigned>(status)))) +
      "\r\n";
  for (const auto& [name, value] : headers) out += name + ": " + value + "\r\n";
  return out;
}

void Exchange::Head(int status, Headers headers) {
  if (owner == nullptr || std::exchange(head_sent, true)) return;
  for (const auto& [name, value] : headers) chunked = chunked && name != "content-length";
  std::string text = HeadText(status, headers);
  owner->Append(text + (chunked ? "transfer-encoding: chunked\r\n\r\n" : "\r\n"));
}

void Exchange::Body(std::string chunk) {
  if (owner == nullptr || ended || chunk.empty() || owner->head_request) return;
  if (chunked) {
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", chunk.size());
    chunk = size + chunk + "\r\n";
  }
  owner->Append(chunk);
}

void Exchange::End() {
  if (owner == nullptr || std::exchange(ended, true)) return;
  if (chunked && !owner->head_request) owner->Append("0\r\n\r\n");
  owner->ExchangeEnded();
}

void Exchange::Reset(uint32_t) {
  if (owner != nullptr && !ended) owner->Abort();
}

size_t Exchange::unsent() const { return owner == nullptr ? 0 : owner->unsent(); }

std::shared_ptr<RawConnection> Exchange::Upgrade(Headers headers) {
  if (owner == nullptr || std::exchange(head_sent, true)) return nullptr;
  owner->Append(HeadText(101, headers) + "\r\n");
  owner->SetRaw();
  return self.lock();
}

void Exchange::Write(std::string bytes) {
  if (owner != nullptr) owner->Append(bytes);
}

void Exchange::Close() {
  if (owner != nullptr) owner->CloseAfterWrite();
}

void Exchange::OnBytes(std::function<void(std::string)> callback) {
  if (owner != nullptr) owner->SetOnBytes(std::move(callback));
}

}  // namespace

std::unique_ptr<ServerProtocol> MakeServerHttp1(ServerConnection& connection) {
  return std::make_unique<Http1>(connection);
}

}  // namespace kubelet::fakes
