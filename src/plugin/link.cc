#include "plugin/link.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <utility>

namespace kubelet::plugin {
namespace {

constexpr size_t kReadSize = 16 * 1024;
constexpr uint32_t kMaxStreams = 32;  // of one client at a time

std::vector<nghttp2_nv> Values(const Link::Headers& headers) {
  auto bytes = [](const std::string& text) {
    return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(text.data()));
  };
  std::vector<nghttp2_nv> out;
  for (const auto& [name, value] : headers)
    out.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  return out;
}

std::string Text(const uint8_t* data, size_t size) {
  return std::string(reinterpret_cast<const char*>(data), size);
}

}  // namespace

struct Link::Callbacks {
  static Link& Self(void* user) { return *static_cast<Link*>(user); }

  static ssize_t ReadBody(nghttp2_session* session, int32_t stream, uint8_t* out, size_t length,
                          uint32_t* flags, nghttp2_data_source*, void* user) {
    auto& bodies = Self(user).bodies_;
    auto it = bodies.find(stream);
    if (it == bodies.end()) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    Body& body = it->second;
    size_t n = std::min(length, body.bytes.size() - body.sent);
    std::memcpy(out, body.bytes.data() + body.sent, n);
    body.sent += n;
    if (body.sent == body.bytes.size()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!body.trailers.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        auto values = Values(body.trailers);
        nghttp2_submit_trailer(session, stream, values.data(), values.size());
      }
    }
    return static_cast<ssize_t>(n);
  }
  static int Header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                    size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                    void* user) {
    Self(user).OnHeader(frame->hd.stream_id, Text(name, name_size), Text(value, value_size));
    return 0;
  }
  static int Data(nghttp2_session*, uint8_t, int32_t stream, const uint8_t* data, size_t size,
                  void* user) {
    Self(user).OnData(stream, {reinterpret_cast<const char*>(data), size});
    return 0;
  }
  static int Frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    bool content = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (content && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
      Self(user).OnEnd(frame->hd.stream_id);
    return 0;
  }
  static int StreamClosed(nghttp2_session*, int32_t stream, uint32_t error, void* user) {
    Self(user).bodies_.erase(stream);
    Self(user).OnStreamClosed(stream, error);
    return 0;
  }
};

Link::Link(Socket socket, Side side) : socket_(std::move(socket)), inbox_(kReadSize, '\0') {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::Header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::Data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::Frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::StreamClosed);
  nghttp2_settings_entry settings[] = {{side == Side::kClient
                                            ? NGHTTP2_SETTINGS_ENABLE_PUSH
                                            : NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
                                        side == Side::kClient ? 0 : kMaxStreams}};
  if (side == Side::kClient) {
    nghttp2_session_client_new(&session_, callbacks, this);
  } else {
    nghttp2_session_server_new(&session_, callbacks, this);
  }
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 1);
}

Link::~Link() { nghttp2_session_del(session_); }

void Link::Start() {
  Flush();
  Read();
}

void Link::Close(const absl::Status& why) {
  if (std::exchange(closed_, true)) return;
  boost::system::error_code ignored;
  socket_.close(ignored);
  OnLost(why);
}

void Link::Read() {
  if (closed_) return;
  socket_.async_read_some(boost::asio::buffer(inbox_), [self = shared_from_this()](
                                                           boost::system::error_code ec, size_t n) {
    if (self->closed_) return;
    if (ec) {
      self->Close(absl::UnavailableError("the connection has ended: " + ec.message()));
      return;
    }
    self->Received({self->inbox_.data(), n});
    self->Read();
  });
}

void Link::Received(std::string_view bytes) {
  in_callback_ = true;
  auto n = nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()),
                                    bytes.size());
  in_callback_ = false;
  if (closed_) return;
  if (n < 0) {
    Close(absl::UnavailableError("HTTP/2: " + std::string(nghttp2_strerror(static_cast<int>(n)))));
    return;
  }
  Flush();
  if (!closed_ && nghttp2_session_want_read(session_) == 0 &&
      nghttp2_session_want_write(session_) == 0 && writing_.empty())
    Close(absl::UnavailableError("the peer has closed the connection"));
}

// nghttp2 may not be asked for bytes out of its own callbacks.
void Link::Flush() {
  if (in_callback_ || closed_) return;
  for (;;) {
    const uint8_t* data = nullptr;
    in_callback_ = true;
    auto n = nghttp2_session_mem_send(session_, &data);
    in_callback_ = false;
    if (n <= 0) break;
    outbox_.append(reinterpret_cast<const char*>(data), static_cast<size_t>(n));
  }
  if (!closed_) Write();
}

void Link::Write() {
  if (!writing_.empty() || outbox_.empty()) return;
  writing_.swap(outbox_);
  boost::asio::async_write(
      socket_, boost::asio::buffer(writing_),
      [self = shared_from_this()](boost::system::error_code ec, size_t) {
        self->writing_.clear();
        if (self->closed_) return;
        if (ec) {
          self->Close(absl::UnavailableError("the connection has ended: " + ec.message()));
          return;
        }
        self->Flush();
      });
}

int32_t Link::OpenStream(const Headers& headers, std::string body) {
  if (closed_) return -1;
  nghttp2_data_provider provider{};
  provider.read_callback = Callbacks::ReadBody;
  auto values = Values(headers);
  int32_t id =
      nghttp2_submit_request(session_, nullptr, values.data(), values.size(), &provider, nullptr);
  if (id < 0) return id;
  bodies_[id].bytes = std::move(body);
  Flush();
  return id;
}

void Link::Answer(int32_t stream, const Headers& headers, std::string body, Headers trailers) {
  if (closed_) return;
  nghttp2_data_provider provider{};
  provider.read_callback = Callbacks::ReadBody;
  auto values = Values(headers);
  bool whole = trailers.empty();
  if (!whole) bodies_[stream] = {std::move(body), 0, std::move(trailers)};
  int done = nghttp2_submit_response(session_, stream, values.data(), values.size(),
                                     whole ? nullptr : &provider);
  if (done != 0) bodies_.erase(stream);
  Flush();
}

void Link::Reset(int32_t stream) {
  if (closed_) return;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
  Flush();
}

}  // namespace kubelet::plugin
