#include "probe/grpc_call.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "kubelet/base/grpc_wire.h"

namespace kubelet::probe {
namespace {

constexpr size_t kAnswerLimit = 64 * 1024;
constexpr int kOk = 0, kUnknown = 2, kDeadlineExceeded = 4, kUnimplemented = 12;

void AppendVarint(uint64_t value, std::string& out) {
  for (; value >= 128; value >>= 7) out += static_cast<char>(value | 128);
  out += static_cast<char>(value);
}

bool TakeVarint(std::string_view& in, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !in.empty(); shift += 7) {
    auto byte = static_cast<unsigned char>(in[0]);
    in.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 127) << shift;
    if (byte < 128) return true;
  }
  return false;
}

// Field 1 of HealthCheckResponse; nullopt: this is no such message.
std::optional<uint64_t> ServingStatus(std::string_view message) {
  uint64_t status = 0, key = 0, value = 0;
  while (!message.empty()) {
    if (!TakeVarint(message, key)) return std::nullopt;
    size_t skip = 0;
    switch (key & 7) {
      case 0:
        if (!TakeVarint(message, value)) return std::nullopt;
        if (key >> 3 == 1) status = value;
        break;
      case 1:
        skip = 8;
        break;
      case 2:
        if (!TakeVarint(message, value)) return std::nullopt;
        skip = std::min<uint64_t>(value, message.size() + 1);
        break;
      case 5:
        skip = 4;
        break;
      default:
        return std::nullopt;
    }
    if (skip > message.size()) return std::nullopt;
    message.remove_prefix(skip);
  }
  return status;
}

// The length-prefixed HealthCheckRequest.
std::string Request(const std::string& service) {
  std::string message;
  if (!service.empty()) {
    message = "\x0a";
    AppendVarint(service.size(), message);
    message += service;
  }
  return base::GrpcFramed(message);
}

}  // namespace

struct GrpcHealthCall::Callbacks {
  static GrpcHealthCall& Self(void* user) { return *static_cast<GrpcHealthCall*>(user); }

  static ssize_t Body(nghttp2_session*, int32_t, uint8_t* out, size_t length, uint32_t* flags,
                      nghttp2_data_source*, void* user) {
    auto& self = Self(user);
    size_t n = std::min(length, self.request_.size() - self.sent_);
    std::memcpy(out, self.request_.data() + self.sent_, n);
    self.sent_ += n;
    if (self.sent_ == self.request_.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(n);
  }

  static int Header(nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
                    const uint8_t* value, size_t value_size, uint8_t, void* user) {
    auto& self = Self(user);
    std::string key(reinterpret_cast<const char*>(name), name_size);
    std::string text(reinterpret_cast<const char*>(value), value_size);
    if (key == ":status") {
      std::from_chars(text.data(), text.data() + text.size(), self.http_status_);
    } else if (key == "grpc-status") {
      self.grpc_status_ = kUnknown;
      std::from_chars(text.data(), text.data() + text.size(), self.grpc_status_);
    } else if (key == "grpc-message") {
      self.grpc_message_ = base::GrpcPercentDecoded(text);
    } else if (key == "content-type") {
      self.content_type_ = text;
    }
    return 0;
  }

  static int Data(nghttp2_session*, uint8_t, int32_t, const uint8_t* data, size_t length,
                  void* user) {
    auto& self = Self(user);
    if (self.body_.size() + length > kAnswerLimit) return NGHTTP2_ERR_CALLBACK_FAILURE;
    self.body_.append(reinterpret_cast<const char*>(data), length);
    return 0;
  }

  static int Closed(nghttp2_session*, int32_t, uint32_t code, void* user) {
    Self(user).done_ = true;
    Self(user).reset_ = code != NGHTTP2_NO_ERROR;
    return 0;
  }

  static int NotSent(nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
    if (frame->hd.type == NGHTTP2_HEADERS) Self(user).done_ = Self(user).reset_ = true;
    return 0;
  }
};

GrpcHealthCall::GrpcHealthCall(const std::string& authority, const std::string& service,
                               const std::string& user_agent, std::chrono::seconds timeout)
    : timeout_(timeout), request_(Request(service)) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::Header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::Data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::Closed);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, Callbacks::NotSent);
  nghttp2_session_client_new(&session_, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 1);
  std::string limit = std::to_string(std::max<int64_t>(timeout.count(), 1) * 1000) + "m";
  const std::pair<std::string, std::string> headers[] = {{":method", "POST"},
                                                         {":scheme", "http"},
                                                         {":path", "/grpc.health.v1.Health/Check"},
                                                         {":authority", authority},
                                                         {"content-type", "application/grpc"},
                                                         {"user-agent", user_agent},
                                                         {"te", "trailers"},
                                                         {"grpc-timeout", limit}};
  std::vector<nghttp2_nv> values;
  for (const auto& [name, value] : headers) {
    auto bytes = [](const std::string& text) {
      return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(text.data()));
    };
    values.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  nghttp2_data_provider provider{};
  provider.read_callback = Callbacks::Body;
  nghttp2_submit_request(session_, nullptr, values.data(), values.size(), &provider, nullptr);
}

GrpcHealthCall::~GrpcHealthCall() { nghttp2_session_del(session_); }

std::string GrpcHealthCall::Outgoing() {
  std::string out;
  for (;;) {
    const uint8_t* data = nullptr;
    auto n = nghttp2_session_mem_send(session_, &data);
    if (n <= 0) return out;
    out.append(reinterpret_cast<const char*>(data), static_cast<size_t>(n));
  }
}

absl::Status GrpcHealthCall::Feed(std::string_view bytes) {
  auto n = nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()),
                                    bytes.size());
  bool broken = n < 0 || (!done_ && nghttp2_session_want_read(session_) == 0);
  if (!broken) return absl::OkStatus();
  return absl::InvalidArgumentError("error reading server preface: this is not HTTP/2");
}

std::string GrpcHealthCall::Answer() const {
  static const char* const kNames[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
  auto status = body_.size() >= 5 && body_[0] == 0
                    ? ServingStatus(std::string_view(body_).substr(5))
                    : std::nullopt;
  if (!status) return "an answer that is no HealthCheckResponse";
  return *status < 4 ? kNames[*status] : std::to_string(*status);
}

Outcome GrpcHealthCall::TimedOut(std::chrono::seconds timeout) {
  return {Result::kFailure,
          "timeout: health rpc did not complete within " + base::GoDuration(timeout)};
}

Outcome GrpcHealthCall::GetOutcome() const {
  int code = grpc_status_;
  std::string message = grpc_message_;
  bool is_grpc = content_type_.compare(0, 16, "application/grpc") == 0;
  if (http_status_ != 0 && (http_status_ != 200 || !is_grpc)) {
    code = static_cast<int>(base::GrpcCodeOfHttp(http_status_));
    message = "unexpected HTTP status code received from server: " + std::to_string(http_status_) +
              "; transport: received unexpected content-type \"" + content_type_ + "\"";
  } else if (code < 0) {
    code = reset_ ? 14 : 13;
    message = reset_ ? "the stream was reset by the server"
                     : "server closed the stream without sending trailers";
  }
  if (code == kUnimplemented) {
    return {
        Result::kFailure,
        "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): " +
            message};
  }
  if (code == kDeadlineExceeded) return TimedOut(timeout_);
  if (code != kOk) {
    const char* name = base::GrpcCodeName(code);
    return {Result::kFailure, "error: health rpc probe failed: rpc error: code = " +
                                  (name != nullptr ? name : "Code(" + std::to_string(code) + ")") +
                                  " desc = " + message};
  }
  std::string answer = Answer();
  if (answer == "SERVING") return {Result::kSuccess, "service healthy"};
  return {Result::kFailure, "service unhealthy (responded with \"" + answer + "\")"};
}

}  // namespace kubelet::probe
