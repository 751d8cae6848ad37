#include "client/body.h"

#include <zlib.h>

#include <charconv>

#include "kubelet/client/url.h"
#include "k8s/meta/v1/meta.pb.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/types.h"
#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

constexpr size_t kErrorTextLimit = 2048;

ApiError FromStatusObject(const api::meta::Status& status, int code) {
  ApiError error;
  error.code = status.code() != 0 ? status.code() : code;
  error.reason = status.reason();
  error.message = status.message();
  if (status.has_details() && status.details().retry_after_seconds() > 0) {
    error.retry_after = std::chrono::seconds(status.details().retry_after_seconds());
  }
  return error;
}

std::string Trimmed(std::string_view body) {
  auto end = body.find_last_not_of(" \t\r\n");
  std::string text(body.substr(0, end == std::string_view::npos ? 0 : end + 1));
  if (text.size() > kErrorTextLimit) text.resize(kErrorTextLimit);
  return text;
}

}  // namespace

Form FormOf(const std::string& content_type) {
  std::string type = LowerCase(content_type.substr(0, content_type.find(';')));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  if (type.empty() || type == kJsonType) return Form::kJson;
  return type == kProtobufType ? Form::kProtobuf : Form::kOther;
}

const char* AcceptFor(bool protobuf) {
  return protobuf ? "application/vnd.kubernetes.protobuf,application/json" : kJsonType;
}

std::string EncodeBody(const google::protobuf::Message& message, bool protobuf) {
  return protobuf ? api::EncodeProtobuf(message) : api::EncodeJson(message);
}

absl::Status DecodeBody(Form form, std::string_view body, google::protobuf::Message& out) {
  absl::Status decoded;
  if (form == Form::kProtobuf) {
    decoded = api::DecodeProtobuf(body, out);
  } else if (form == Form::kJson) {
    decoded = api::DecodeJson(body, out);
  } else {
    return absl::UnavailableError("the server's answer is neither JSON nor protobuf");
  }
  if (decoded.ok()) return decoded;
  return absl::UnavailableError("the server's answer cannot be read: " + base::Message(decoded));
}

std::optional<base::Nanos> RetryAfter(const ResponseHead& head) {
  std::string text = head.Find("retry-after");
  int seconds = 0;
  const char* end = text.data() + text.size();
  auto parsed = std::from_chars(text.data(), end, seconds);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != end || seconds < 0) {
    return std::nullopt;
  }
  return std::chrono::seconds(seconds);
}

absl::Status ErrorFromAnswer(const ResponseHead& head, std::string_view body) {
  ApiError error;
  error.code = head.status;
  api::meta::Status status;
  Form form = FormOf(head.Find("content-type"));
  if (!body.empty() && form != Form::kOther && DecodeBody(form, body, status).ok()) {
    error = FromStatusObject(status, head.status);
  } else {
    error.message = Trimmed(body);
  }
  if (auto wait = RetryAfter(head)) error.retry_after = wait;
  return ToStatus(error);
}

absl::Status ErrorFromStatusObject(Form form, std::string_view object) {
  api::meta::Status status;
  if (auto decoded = DecodeBody(form, object, status); !decoded.ok()) return decoded;
  return ToStatus(FromStatusObject(status, 500));
}

struct BodyReader::Zlib {
  z_stream stream{};
  bool ended = false;
};

BodyReader::BodyReader(bool gzip, size_t limit) : limit_(limit) {
  if (!gzip) return;
  zlib_ = std::make_unique<Zlib>();
  inflateInit2(&zlib_->stream, 16 + MAX_WBITS);
}

BodyReader::~BodyReader() {
  if (zlib_) inflateEnd(&zlib_->stream);
}

absl::Status BodyReader::Add(std::string_view bytes) {
  if (zlib_) return Inflate(bytes);
  if (bytes.size() > limit_ - text_.size()) {
    return absl::ResourceExhaustedError("the server's answer is too large");
  }
  text_.append(bytes);
  return absl::OkStatus();
}

absl::Status BodyReader::Inflate(std::string_view bytes) {
  z_stream& z = zlib_->stream;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  char chunk[16384];
  for (bool more = true; more && !zlib_->ended;) {
    z.next_out = reinterpret_cast<Bytef*>(chunk);
    z.avail_out = sizeof chunk;
    int result = inflate(&z, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
      return absl::UnavailableError("the server's answer: damaged gzip data");
    }
    size_t n = sizeof chunk - z.avail_out;
    if (n > limit_ - text_.size()) {
      return absl::ResourceExhaustedError("the server's answer is too large");
    }
    text_.append(chunk, n);
    zlib_->ended = result == Z_STREAM_END;
    more = z.avail_out == 0 || z.avail_in > 0;
    if (result == Z_BUF_ERROR) more = false;
  }
  return absl::OkStatus();
}

absl::Status BodyReader::End() {
  if (zlib_ && !zlib_->ended) {
    return absl::UnavailableError("the server's answer: gzip data cut off");
  }
  return absl::OkStatus();
}

}  // namespace kubelet::client
