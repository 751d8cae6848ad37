#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>

#include "fakes/http2_server_connection.h"

namespace kubelet::fakes {
namespace {

constexpr size_t kWriteSize = 64 * 1024;

class Http2;

struct Stream : Responder, std::enable_shared_from_this<Stream> {
  Http2* owner = nullptr;  // null once closed
  int32_t id = 0;
  HttpRequest request;
  std::string pending;
  bool head_sent = false, ended = false;
  std::function<void()> on_closed;

  void Head(int status, Headers headers) override;
  void Body(std::string chunk) override;
  void End() override;
  void Reset(uint32_t code) override;
  size_t unsent() const override { return pending.size(); }
  bool open() const override { return owner != nullptr; }
  void OnClosed(std::function<void()> callback) override { on_closed = std::move(callback); }
  std::shared_ptr<RawConnection> Upgrade(Headers) override { return nullptr; }
};

class Http2 : public ServerProtocol {
 public:
  explicit Http2(ServerConnection& connection) : connection_(connection) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, OnBegin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnClose);
    nghttp2_session_server_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, connection.shared().options.max_streams}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 1);
  }
  ~Http2() override { nghttp2_session_del(session_); }

  bool Receive(const std::string& bytes) override {
    auto n = nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()),
                                      bytes.size());
    return n == static_cast<ssize_t>(bytes.size());
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
  void Closed() override {
    auto streams = std::exchange(streams_, {});
    for (auto& [id, stream] : streams) Finish(*stream);
  }
  bool Finished() const override {
    return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
  }
  void Goaway() override {
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                          nullptr, 0);
  }

  void SubmitHead(Stream& stream, int status, const Responder::Headers& headers) {
    std::string code = std::to_string(status);
    static const std::string kStatus = ":status";  // the values point into it
    std::vector<nghttp2_nv> values{Value(kStatus, code)};
    for (const auto& [name, value] : headers) values.push_back(Value(name, value));
    nghttp2_data_provider provider{};
    provider.source.ptr = &stream;
    provider.read_callback = ReadBody;
    nghttp2_submit_response(session_, stream.id, values.data(), values.size(), &provider);
    connection_.Flush();
  }
  void Resume(Stream& stream) {
    nghttp2_session_resume_data(session_, stream.id);
    connection_.Flush();
  }
  void Reset(Stream& stream, uint32_t code) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, code);
    connection_.Flush();
  }

 private:
  static nghttp2_nv Value(const std::string& name, const std::string& value) {
    auto bytes = [](const std::string& text) {
      return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(text.data()));
    };
    return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
  }
  static void Finish(Stream& stream) {
    bool complete = stream.ended && stream.pending.empty();
    stream.owner = nullptr;
    auto callback = std::exchange(stream.on_closed, nullptr);
    if (callback && !complete) callback();
  }
  std::shared_ptr<Stream> Find(int32_t id) {
    auto it = streams_.find(id);
    return it == streams_.end() ? nullptr : it->second;
  }

  static int OnBegin(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto* self = static_cast<Http2*>(user);
    if (frame->hd.type != NGHTTP2_HEADERS || self->Find(frame->hd.stream_id)) return 0;
    auto stream = std::make_shared<Stream>();
    stream->owner = self;
    stream->id = frame->hd.stream_id;
    stream->request = self->connection_.NewRequest();
    self->streams_[stream->id] = stream;
    return 0;
  }
  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_length, const uint8_t* value, size_t value_length, uint8_t,
                      void* user) {
    auto stream = static_cast<Http2*>(user)->Find(frame->hd.stream_id);
    if (!stream) return 0;
    std::string key(reinterpret_cast<const char*>(name), name_length);
    std::string text(reinterpret_cast<const char*>(value), value_length);
    auto& request = stream->request;
    if (key == ":method") {
      request.method = text;
    } else if (key == ":path") {
      size_t mark = text.find('?');
      request.path = text.substr(0, mark);
      if (mark != std::string::npos) request.query = text.substr(mark + 1);
    } else {
      request.headers[key == ":authority" ? "host" : key] = text;
    }
    return 0;
  }
  static int OnData(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t length,
                    void* user) {
    auto stream = static_cast<Http2*>(user)->Find(id);
    if (stream) stream->request.body.append(reinterpret_cast<const char*>(data), length);
    return 0;
  }
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto* self = static_cast<Http2*>(user);
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
      ++self->connection_.shared().pings;
    }
    bool request = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!request || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    auto stream = self->Find(frame->hd.stream_id);
    if (stream) self->connection_.shared().Dispatch(std::move(stream->request), stream);
    return 0;
  }
  static int OnClose(nghttp2_session*, int32_t id, uint32_t, void* user) {
    auto* self = static_cast<Http2*>(user);
    auto stream = self->Find(id);
    if (!stream) return 0;
    self->streams_.erase(id);
    Finish(*stream);
    return 0;
  }
  static ssize_t ReadBody(nghttp2_session*, int32_t, uint8_t* out, size_t length, uint32_t* flags,
                          nghttp2_data_source* source, void*) {
    auto* stream = static_cast<Stream*>(source->ptr);
    size_t n = std::min(length, stream->pending.size());
    if (n == 0 && !stream->ended) return NGHTTP2_ERR_DEFERRED;
    std::memcpy(out, stream->pending.data(), n);
    stream->pending.erase(0, n);
    if (stream->ended && stream->pending.empty()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(n);
  }

  ServerConnection& connection_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, std::shared_ptr<Stream>> streams_;
};

void Stream::Head(int status, Headers headers) {
  if (owner == nullptr || std::exchange(head_sent, true)) return;
  owner->SubmitHead(*this, status, headers);
}

void Stream::Body(std::string chunk) {
  if (owner == nullptr || ended) return;
  pending += chunk;
  owner->Resume(*this);
}

void Stream::End() {
  if (owner == nullptr || std::exchange(ended, true)) return;
  owner->Resume(*this);
}

void Stream::Reset(uint32_t code) {
  if (owner == nullptr) return;
  owner->Reset(*this, code);
}

}  // namespace

std::unique_ptr<ServerProtocol> MakeServerHttp2(ServerConnection& connection) {
  return std::make_unique<Http2>(connection);
}

}  // namespace kubelet::fakes
