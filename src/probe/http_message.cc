#include "probe/http_message.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace kubelet::probe {
namespace {

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string Trim(const std::string& text) {
  size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool IsToken(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           (c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr);
  });
}

bool IsFieldValue(const std::string& value) {
  return std::none_of(value.begin(), value.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 32 && c != '\t') || c == 127;
  });
}

// As Go's %q, short.
std::string Quote(std::string text) {
  if (text.size() > 100) text = text.substr(0, 100) + "...";
  std::string out = "\"";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += std::string("\\") + c;
    } else if (byte < 32 || byte > 126) {
      static const char kDigits[] = "0123456789abcdef";
      out += std::string("\\x") + kDigits[byte >> 4] + kDigits[byte & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

absl::Status Malformed(const std::string& what, const std::string& text) {
  return absl::InvalidArgumentError(
      "net/http: HTTP/1.x transport connection broken: malformed HTTP " + what + " " + Quote(text));
}

}  // namespace

std::string HostHeader(const Headers& headers) {
  for (const auto& [name, value] : headers) {
    if (Lower(name) == "host") return value;
  }
  return "";
}

absl::StatusOr<std::string> MakeGet(const Url& url, const Headers& headers,
                                    const std::string& user_agent) {
  std::string host = HostHeader(headers), rest;
  bool has_agent = false, has_accept = false, has_connection = false;
  for (const auto& [name, value] : headers) {
    if (!IsToken(name)) {
      return absl::InvalidArgumentError("net/http: invalid header field name " + Quote(name));
    }
    if (!IsFieldValue(value)) {
      return absl::InvalidArgumentError("net/http: invalid header field value for " + Quote(name));
    }
    std::string key = Lower(name);
    if (key == "host" || key == "content-length" || key == "transfer-encoding" || key == "trailer")
      continue;
    bool agent = key == "user-agent", accept = key == "accept";
    // Go writes one User-Agent; an empty one, or an empty Accept, means none.
    bool skip = ((agent || accept) && value.empty()) || (agent && has_agent);
    has_agent = has_agent || agent;
    has_accept = has_accept || accept;
    has_connection = has_connection || key == "connection";
    if (!skip) rest += name + ": " + value + "\r\n";
  }
  // Go leaves the port of the scheme in the Host header, too.
  std::string out = "GET " + url.target +
                    " HTTP/1.1\r\nHost: " + (host.empty() ? url.Authority() : host) + "\r\n";
  if (!has_agent) out += "User-Agent: " + user_agent + "\r\n";
  if (!has_accept) out += "Accept: */*\r\n";
  if (!has_connection) out += "Connection: close\r\n";
  return out + rest + "\r\n";
}

absl::Status ResponseReader::Feed(std::string_view bytes) {
  if (done()) return absl::OkStatus();
  in_.append(bytes);
  if (state_ == State::kHead) {
    auto status = Head();
    if (!status.ok()) return status;
  }
  return state_ == State::kHead ? absl::OkStatus() : Body();
}

absl::Status ResponseReader::End() {
  if (state_ == State::kToEnd || done()) {
    state_ = State::kDone;
    return absl::OkStatus();
  }
  bool nothing = seen_ == 0 && in_.empty();
  return absl::UnavailableError(nothing ? "EOF" : "unexpected EOF");
}

// One line without its end; nullopt: not all of it is there.
std::optional<std::string> ResponseReader::Line() {
  size_t end = in_.find('\n', scanned_);
  if (end == std::string::npos) {
    scanned_ = in_.size();
    return std::nullopt;
  }
  std::string line = in_.substr(0, end);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  in_.erase(0, end + 1);
  scanned_ = 0;
  seen_ += end + 1;
  return line;
}

absl::Status ResponseReader::Head() {
  while (auto line = Line()) {
    if (!have_status_) {
      auto status = StatusLine(*line);
      if (!status.ok()) return status;
    } else if (!line->empty()) {
      Field(*line);
    } else if (status_ >= 100 && status_ < 200 && status_ != 101) {
      have_status_ = chunked_ = false;
      length_.reset();
      location_.clear();
    } else {
      BeginBody();
      return absl::OkStatus();
    }
  }
  if (seen_ + in_.size() > kHeadLimit) {
    return absl::InvalidArgumentError("net/http: server response headers exceeded " +
                                      std::to_string(kHeadLimit) + " bytes; aborted");
  }
  return absl::OkStatus();
}

absl::Status ResponseReader::StatusLine(const std::string& line) {
  size_t space = line.find(' ');
  if (space == std::string::npos) return Malformed("response", line);
  std::string version = line.substr(0, space), rest = Trim(line.substr(space + 1));
  std::string code = rest.substr(0, rest.find(' '));
  bool numeric = code.size() == 3 &&
                 std::all_of(code.begin(), code.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!numeric) return Malformed("status code", code);
  bool known = version.size() == 8 && version.compare(0, 5, "HTTP/") == 0 &&
               std::isdigit(static_cast<unsigned char>(version[5])) != 0 && version[6] == '.' &&
               std::isdigit(static_cast<unsigned char>(version[7])) != 0;
  if (!known) return Malformed("version", version);
  status_ = std::stoi(code);
  have_status_ = true;
  return absl::OkStatus();
}

void ResponseReader::Field(const std::string& line) {
  size_t colon = line.find(':');
  if (colon == std::string::npos) return;
  std::string name = Lower(line.substr(0, colon)), value = Trim(line.substr(colon + 1));
  if (name == "location" && location_.empty()) {
    location_ = value;
  } else if (name == "transfer-encoding") {
    chunked_ = Lower(value) == "chunked";
  } else if (name == "content-length") {
    size_t n = 0;
    auto [rest, error] = std::from_chars(value.data(), value.data() + value.size(), n);
    if (error == std::errc() && rest == value.data() + value.size()) length_ = n;
  }
}

void ResponseReader::BeginBody() {
  bool none = status_ == 204 || status_ == 304 || status_ == 101;
  left_ = length_.value_or(0);
  if (none) {
    state_ = State::kDone;
  } else if (chunked_) {
    state_ = State::kChunkSize;
  } else if (length_) {
    state_ = left_ == 0 ? State::kDone : State::kLength;
  } else {
    state_ = State::kToEnd;
  }
}

void ResponseReader::TakeBody(size_t n) {
  size_t room = kBodyLimit - body_.size();
  body_.append(in_, 0, std::min(n, room));
  in_.erase(0, n);
  if (n >= room) state_ = State::kDone;
}

absl::Status ResponseReader::Body() {
  while (!in_.empty() && !done()) {
    if (state_ == State::kToEnd) {
      TakeBody(in_.size());
    } else if (state_ == State::kLength || state_ == State::kChunk) {
      size_t n = std::min(in_.size(), left_);
      left_ -= n;
      TakeBody(n);
      if (left_ == 0 && !done())
        state_ = state_ == State::kLength ? State::kDone : State::kChunkEnd;
    } else {
      auto line = Line();
      if (!line) {
        if (in_.size() > kBodyLimit) return absl::InvalidArgumentError("header line too long");
        return absl::OkStatus();
      }
      if (state_ == State::kChunkEnd) {
        state_ = State::kChunkSize;
        continue;
      }
      auto [rest, error] = std::from_chars(line->data(), line->data() + line->size(), left_, 16);
      if (error != std::errc()) return absl::InvalidArgumentError("invalid byte in chunk length");
      state_ = left_ == 0 ? State::kDone : State::kChunk;
    }
  }
  return absl::OkStatus();
}

}  // namespace kubelet::probe
