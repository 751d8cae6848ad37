#include "client/http2.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>

#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

constexpr size_t kWriteSize = 64 * 1024;

nghttp2_nv Value(const std::string& name, const std::string& value) {
  auto bytes = [](const std::string& text) {
    return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

struct Stream {
  StreamSink* sink = nullptr;  // null: the reader is gone
  std::string body;
  size_t sent = 0;
  ResponseHead head;
  bool request_sent = false;  // to its end
  bool head_done = false, ended = false;
};

class Http2 : public Session {
 public:
  Http2(std::string authority, bool https)
      : authority_(std::move(authority)), scheme_(https ? "https" : "http") {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnClose);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, OnFrameSent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, OnFrameNotSent);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_client_new2(&session_, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                         {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  }
  ~Http2() override { nghttp2_session_del(session_); }

  bool CanOpen() const override {
    if (draining_ || nghttp2_session_check_request_allowed(session_) == 0) return false;
    return streams_.size() <
           nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  }

  int64_t Open(Request request, StreamSink* sink) override {
    std::string length = std::to_string(request.body.size());
    static const std::string kMethod = ":method", kScheme = ":scheme", kAuthority = ":authority",
                             kPath = ":path", kLength = "content-length";
    std::vector<nghttp2_nv> values{Value(kMethod, request.method), Value(kScheme, scheme_),
                                   Value(kAuthority, authority_), Value(kPath, request.target)};
    for (const auto& [name, value] : request.headers) values.push_back(Value(name, value));
    bool has_body = !request.body.empty();
    if (has_body) values.push_back(Value(kLength, length));
    nghttp2_data_provider provider{};
    provider.read_callback = ReadBody;
    int32_t id = nghttp2_submit_request(session_, nullptr, values.data(), values.size(),
                                        has_body ? &provider : nullptr, nullptr);
    if (id < 0) {
      sink->OnFailure(
          {absl::UnavailableError(std::string("HTTP/2: ") + nghttp2_strerror(id)), false, false});
      return -1;
    }
    auto& stream = streams_[id];
    stream.sink = sink;
    stream.body = std::move(request.body);
    return id;
  }

  void Close(int64_t id) override {
    auto it = streams_.find(static_cast<int32_t>(id));
    if (it == streams_.end() || it->second.sink == nullptr) return;
    it->second.sink = nullptr;
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, it->first, NGHTTP2_CANCEL);
  }

  void Consumed(int64_t id, size_t n) override {
    nghttp2_session_consume_stream(session_, static_cast<int32_t>(id), n);
  }

  absl::Status Receive(std::string_view bytes) override {
    auto n = nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()),
                                      bytes.size());
    if (n < 0) {
      return absl::UnavailableError("HTTP/2: " +
                                    std::string(nghttp2_strerror(static_cast<int>(n))));
    }
    // After a fatal error nghttp2 says so to the server and reads nothing more. Without streams
    // that is also how a GOAWAY ends, in good order.
    if (!streams_.empty() && nghttp2_session_want_read(session_) == 0 &&
        nghttp2_session_want_write(session_) == 0) {
      return absl::UnavailableError("HTTP/2: the session ended");
    }
    return absl::OkStatus();
  }

  void Fail(const absl::Status& status) override {
    draining_ = true;
    auto streams = std::exchange(streams_, {});
    for (auto& [id, stream] : streams) {
      // The server acts on whole requests only.
      if (stream.sink != nullptr && !stream.ended) {
        stream.sink->OnFailure({status, stream.request_sent, false});
      }
    }
  }

  std::string Send() override {
    std::string out;
    while (out.size() < kWriteSize) {
      const uint8_t* data = nullptr;
      auto n = nghttp2_session_mem_send(session_, &data);
      if (n <= 0) break;
      out.append(reinterpret_cast<const char*>(data), static_cast<size_t>(n));
    }
    return out;
  }

  bool Ping() override {
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
    return true;
  }
  bool WantsRead() const override { return true; }
  size_t open_streams() const override { return streams_.size(); }
  bool draining() const override {
    return draining_ || nghttp2_session_check_request_allowed(session_) == 0;
  }
  void Drain() override { draining_ = true; }

 private:
  Stream* Find(int32_t id) {
    auto it = streams_.find(id);
    return it == streams_.end() ? nullptr : &it->second;
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_length, const uint8_t* value, size_t value_length, uint8_t,
                      void* user) {
    Stream* stream = static_cast<Http2*>(user)->Find(frame->hd.stream_id);
    if (stream == nullptr || stream->head_done) return 0;  // trailers
    std::string key(reinterpret_cast<const char*>(name), name_length);
    std::string text(reinterpret_cast<const char*>(value), value_length);
    if (key == ":status") {
      stream->head = {};
      std::from_chars(text.data(), text.data() + text.size(), stream->head.status);
    } else {
      stream->head.headers.emplace_back(std::move(key), std::move(text));
    }
    return 0;
  }

  static int OnData(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data,
                    size_t length, void* user) {
    nghttp2_session_consume_connection(session, length);
    Stream* stream = static_cast<Http2*>(user)->Find(id);
    if (stream != nullptr && stream->sink != nullptr) {
      stream->sink->OnData({reinterpret_cast<const char*>(data), length});
    }
    return 0;
  }

  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto* self = static_cast<Http2*>(user);
    bool answer = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    Stream* stream = answer ? self->Find(frame->hd.stream_id) : nullptr;
    if (stream == nullptr) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && !stream->head_done && stream->head.status >= 200) {
      stream->head_done = true;
      if (stream->sink != nullptr) stream->sink->OnHead(std::move(stream->head));
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && stream->head_done && !stream->ended) {
      stream->ended = true;
      if (stream->sink != nullptr) stream->sink->OnEnd();
    }
    return 0;
  }

  static int OnFrameSent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    bool request = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!request || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    Stream* stream = static_cast<Http2*>(user)->Find(frame->hd.stream_id);
    if (stream != nullptr) stream->request_sent = true;
    return 0;
  }

  // A request that waited in the queue while the server said goodbye or the reader left.
  static int OnFrameNotSent(nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    static_cast<Http2*>(user)->EndStream(frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
    return 0;
  }

  static int OnClose(nghttp2_session*, int32_t id, uint32_t code, void* user) {
    static_cast<Http2*>(user)->EndStream(id, code);
    return 0;
  }

  void EndStream(int32_t id, uint32_t code) {
    auto it = streams_.find(id);
    if (it == streams_.end()) return;
    Stream stream = std::move(it->second);
    streams_.erase(it);
    if (stream.sink == nullptr || stream.ended) return;
    bool refused = code == NGHTTP2_REFUSED_STREAM;
    std::string text =
        refused ? "the server refused the request"
                : std::string("the server reset the stream: ") + nghttp2_http2_strerror(code);
    stream.sink->OnFailure({absl::UnavailableError(text), !refused, refused});
  }

  static ssize_t ReadBody(nghttp2_session*, int32_t id, uint8_t* out, size_t length,
                          uint32_t* flags, nghttp2_data_source*, void* user) {
    Stream* stream = static_cast<Http2*>(user)->Find(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t n = std::min(length, stream->body.size() - stream->sent);
    std::memcpy(out, stream->body.data() + stream->sent, n);
    stream->sent += n;
    if (stream->sent == stream->body.size()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      stream->body = {};
      stream->sent = 0;
    }
    return static_cast<ssize_t>(n);
  }

  std::string authority_, scheme_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, Stream> streams_;
  bool draining_ = false;
};

}  // namespace

std::unique_ptr<Session> MakeHttp2Session(std::string authority, bool https) {
  return std::make_unique<Http2>(std::move(authority), https);
}

}  // namespace kubelet::client
