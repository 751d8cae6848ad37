// A plaintext HTTP/2 server that gives one answer to everything: bytes in, bytes out.
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace kubelet::probe {

struct H2cAnswer {
  int status = 200;
  std::string content_type, body;
  std::string grpc_status, grpc_message;  // empty status: no trailers
};

class H2cServer {
 public:
  explicit H2cServer(H2cAnswer answer) : answer_(std::move(answer)) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
    nghttp2_session_server_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~H2cServer() { nghttp2_session_del(session_); }

  std::string Answer(const std::string& bytes) {
    nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()),
                             bytes.size());
    std::string out;
    const uint8_t* data = nullptr;
    for (ssize_t n = 0; (n = nghttp2_session_mem_send(session_, &data)) > 0;) {
      out.append(reinterpret_cast<const char*>(data), static_cast<size_t>(n));
    }
    return out;
  }
  std::map<std::string, std::string> headers;
  std::string body;

 private:
  static H2cServer& Self(void* user) { return *static_cast<H2cServer*>(user); }
  static nghttp2_nv Value(const std::string& name, const std::string& value) {
    auto bytes = [](const std::string& text) {
      return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(text.data()));
    };
    return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
  }
  static int OnHeader(nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t, void* user) {
    Self(user).headers[std::string(reinterpret_cast<const char*>(name), name_size)] =
        std::string(reinterpret_cast<const char*>(value), value_size);
    return 0;
  }
  static int OnData(nghttp2_session*, uint8_t, int32_t, const uint8_t* data, size_t length,
                    void* user) {
    Self(user).body.append(reinterpret_cast<const char*>(data), length);
    return 0;
  }
  static int OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    bool request = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (request && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
      Self(user).Respond(session, frame->hd.stream_id);
    return 0;
  }
  void Respond(nghttp2_session* session, int32_t id) {
    static const std::string kStatus = ":status", kType = "content-type";
    status_ = std::to_string(answer_.status);
    nghttp2_nv head[] = {Value(kStatus, status_), Value(kType, answer_.content_type)};
    nghttp2_data_provider provider{};
    provider.read_callback = ReadBody;
    nghttp2_submit_response(session, id, head, 2, &provider);
  }
  static ssize_t ReadBody(nghttp2_session* session, int32_t id, uint8_t* out, size_t,
                          uint32_t* flags, nghttp2_data_source*, void* user) {
    static const std::string kStatus = "grpc-status", kMessage = "grpc-message";
    const H2cAnswer& answer = Self(user).answer_;
    std::memcpy(out, answer.body.data(), answer.body.size());
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!answer.grpc_status.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      nghttp2_nv trailers[] = {Value(kStatus, answer.grpc_status),
                               Value(kMessage, answer.grpc_message)};
      nghttp2_submit_trailer(session, id, trailers, 2);
    }
    return static_cast<ssize_t>(answer.body.size());
  }
  H2cAnswer answer_;
  std::string status_;
  nghttp2_session* session_ = nullptr;
};

}  // namespace kubelet::probe
