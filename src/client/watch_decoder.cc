#include "client/watch_decoder.h"

#include <algorithm>

#include "k8s/meta/v1/meta.pb.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/types.h"
#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

constexpr size_t kFrameHeader = 4;
// A buffer that a large event has grown is not kept for the small ones.
constexpr size_t kKeepCapacity = 64 * 1024;

bool IsBlank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

absl::Status Broken(const std::string& why) {
  return absl::UnavailableError("watch stream: " + why);
}

}  // namespace

WatchDecoder::WatchDecoder(Form form, const google::protobuf::Message* prototype, size_t limit)
    : form_(form), prototype_(prototype), limit_(limit) {}

void WatchDecoder::Feed(std::string_view bytes) {
  buffer_.erase(0, begin_);
  scanned_ -= std::min(scanned_, begin_);
  begin_ = 0;
  buffer_.append(bytes);
}

bool WatchDecoder::partial() const {
  return std::any_of(buffer_.begin() + static_cast<ptrdiff_t>(begin_), buffer_.end(),
                     [this](char c) { return form_ != Form::kJson || !IsBlank(c); });
}

absl::StatusOr<size_t> WatchDecoder::FindProtobuf() const {
  if (buffer_.size() - begin_ < kFrameHeader) return 0;
  size_t length = 0;
  for (size_t i = 0; i < kFrameHeader; ++i) {
    length = length << 8 | static_cast<unsigned char>(buffer_[begin_ + i]);
  }
  if (length > limit_) return Broken("an event of " + std::to_string(length) + " bytes");
  return buffer_.size() - begin_ - kFrameHeader < length ? 0 : kFrameHeader + length;
}

// Braces and brackets outside of strings; whether the value is right is the decoder's business.
absl::StatusOr<size_t> WatchDecoder::FindJson() {
  while (begin_ < buffer_.size() && depth_ == 0 && IsBlank(buffer_[begin_])) ++begin_;
  scanned_ = std::max(scanned_, begin_);
  for (; scanned_ < buffer_.size(); ++scanned_) {
    char c = buffer_[scanned_];
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
      continue;
    }
    if (c == '{' || c == '[') {
      ++depth_;
    } else if (depth_ == 0) {
      return Broken("an event that is no JSON object");
    } else if (c == '"') {
      in_string_ = true;
    } else if ((c == '}' || c == ']') && --depth_ == 0) {
      return ++scanned_ - begin_;
    }
  }
  if (buffer_.size() - begin_ > limit_) return Broken("an event that is too large");
  return 0;
}

absl::StatusOr<std::optional<WatchEvent>> WatchDecoder::Next() {
  for (;;) {
    auto found = form_ == Form::kProtobuf ? FindProtobuf() : FindJson();
    if (!found.ok()) return found.status();
    if (*found == 0) {
      if (begin_ == buffer_.size() && buffer_.capacity() > kKeepCapacity) {
        buffer_ = std::string();
        begin_ = scanned_ = 0;
      }
      return std::optional<WatchEvent>();
    }
    std::string_view event = std::string_view(buffer_).substr(begin_, *found);
    if (form_ == Form::kProtobuf) event.remove_prefix(kFrameHeader);
    begin_ += *found;
    auto decoded = Decode(event);
    if (!decoded.ok() || *decoded) return decoded;
  }
}

absl::StatusOr<std::optional<WatchEvent>> WatchDecoder::Decode(std::string_view text) const {
  api::meta::WatchEvent event;
  if (form_ == Form::kProtobuf) {
    if (!event.ParseFromArray(text.data(), static_cast<int>(text.size()))) {
      return Broken("a frame that is no WatchEvent");
    }
  } else if (auto parsed = api::DecodeJson(text, event); !parsed.ok()) {
    return Broken(base::Message(parsed));
  }
  const std::string& object = event.object().raw();
  if (event.type() == "ERROR") return ErrorFromStatusObject(form_, object);
  WatchEvent out;
  if (event.type() == "ADDED") {
    out.type = WatchEvent::Type::kAdded;
  } else if (event.type() == "MODIFIED") {
    out.type = WatchEvent::Type::kModified;
  } else if (event.type() == "DELETED") {
    out.type = WatchEvent::Type::kDeleted;
  } else if (event.type() == "BOOKMARK") {
    out.type = WatchEvent::Type::kBookmark;
  } else {
    return std::optional<WatchEvent>();
  }
  out.object.reset(prototype_->New());
  if (auto decoded = DecodeBody(form_, object, *out.object); !decoded.ok()) {
    return base::Annotate(decoded, "watch stream");
  }
  return std::optional<WatchEvent>(std::move(out));
}

}  // namespace kubelet::client
