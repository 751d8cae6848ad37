#include "server/docker_json.h"

#include <cstdint>

namespace kubelet::server {
namespace {

constexpr int kMaxDepth = 64;
constexpr uint32_t kReplacement = 0xFFFD;

void AppendUtf8(uint32_t rune, std::string& out) {
  if (rune < 0x80) {
    out += static_cast<char>(rune);
  } else if (rune < 0x800) {
    out += static_cast<char>(0xC0 | rune >> 6);
    out += static_cast<char>(0x80 | (rune & 0x3F));
  } else if (rune < 0x10000) {
    out += static_cast<char>(0xE0 | rune >> 12);
    out += static_cast<char>(0x80 | (rune >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (rune & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | rune >> 18);
    out += static_cast<char>(0x80 | (rune >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (rune >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (rune & 0x3F));
  }
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool Entry(DockerEntry& entry) {
    if (!Take('{')) return false;
    if (Take('}')) return AtEnd();
    do {
      std::string key;
      if (!String(key) || !Take(':')) return false;
      std::string* target = key == "log"      ? &entry.log
                            : key == "stream" ? &entry.stream
                            : key == "time"   ? &entry.time
                                              : nullptr;
      if (target != nullptr && Peek() == '"') {
        target->clear();
        if (!String(*target)) return false;
      } else if ((target != nullptr && Peek() != 'n') || !Skip(0)) {
        return false;  // of another type; null leaves what was there
      }
    } while (Take(','));
    return Take('}') && AtEnd();
  }

 private:
  char Peek() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool Take(char c) {
    if (Peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  bool AtEnd() { return Peek() == '\0' && at_ >= text_.size(); }

  // Four hex digits after \u.
  bool Unit(uint32_t& unit) {
    unit = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      char c = at_ < text_.size() ? text_[at_] : '\0';
      int digit = c >= '0' && c <= '9'   ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                         : -1;
      if (digit < 0) return false;
      unit = unit * 16 + static_cast<uint32_t>(digit);
    }
    return true;
  }
  bool Escape(std::string& out) {
    char c = at_ < text_.size() ? text_[at_++] : '\0';
    switch (c) {
      case '"':
      case '\\':
      case '/':
        out += c;
        return true;
      case 'b':
        out += '\b';
        return true;
      case 'f':
        out += '\f';
        return true;
      case 'n':
        out += '\n';
        return true;
      case 'r':
        out += '\r';
        return true;
      case 't':
        out += '\t';
        return true;
      case 'u':
        return Unicode(out);
      default:
        return false;
    }
  }
  bool Unicode(std::string& out) {
    uint32_t unit = 0;
    if (!Unit(unit)) return false;
    if (unit >= 0xD800 && unit < 0xDC00 && text_.substr(at_, 2) == "\\u") {
      size_t before = at_;
      at_ += 2;
      uint32_t low = 0;
      if (!Unit(low)) return false;
      if (low >= 0xDC00 && low < 0xE000) {
        AppendUtf8(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00), out);
        return true;
      }
      at_ = before;
    }
    AppendUtf8(unit >= 0xD800 && unit < 0xE000 ? kReplacement : unit, out);
    return true;
  }
  bool String(std::string& out) {
    if (!Take('"')) return false;
    while (at_ < text_.size()) {
      char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') {
        out += c;
      } else if (!Escape(out)) {
        return false;
      }
    }
    return false;
  }
  // Any value, unread.
  bool Skip(int depth) {
    if (depth > kMaxDepth) return false;
    char c = Peek();
    if (c == '"') {
      std::string ignored;
      return String(ignored);
    }
    if (c == '{' || c == '[') return SkipGroup(c, depth);
    size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) ||
                                  text_[at_] == '-' || text_[at_] == '+' || text_[at_] == '.'))
      ++at_;
    return at_ > begin;
  }
  bool SkipGroup(char open, int depth) {
    ++at_;
    char close = open == '{' ? '}' : ']';
    if (Take(close)) return true;
    do {
      std::string ignored;
      if (open == '{' && (!String(ignored) || !Take(':'))) return false;
      if (!Skip(depth + 1)) return false;
    } while (Take(','));
    return Take(close);
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

bool ParseDockerJson(std::string_view line, DockerEntry& entry) {
  return Reader(line).Entry(entry);
}

}  // namespace kubelet::server
