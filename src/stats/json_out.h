// JSON that is written once, from front to back. Internal to the room.
#pragma once

#include <cstdint>
#include <string>

#include "kubelet/base/metric_text.h"
#include "kubelet/base/time.h"

namespace kubelet::stats {

class JsonOut {
 public:
  explicit JsonOut(std::string& out) : out_(out) {}

  void Open(const char* key = nullptr) { Begin(key, '{'); }
  void Close() { End('}'); }
  void OpenList(const char* key) { Begin(key, '['); }
  void CloseList() { End(']'); }

  void Text(const char* key, const std::string& value) {
    Key(key);
    out_ += '"';
    for (char c : value) {
      constexpr char kHex[] = "0123456789abcdef";
      auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        out_ += '\\';
        out_ += c;
      } else if (byte < 0x20) {
        out_ += "\\u00";
        out_ += kHex[byte >> 4];
        out_ += kHex[byte & 15];
      } else {
        out_ += c;
      }
    }
    out_ += '"';
  }
  void Number(const char* key, uint64_t value) {
    Key(key);
    base::AppendWhole(value, out_);
  }
  void Real(const char* key, double value) {
    Key(key);
    base::AppendNumber(value, out_);
  }
  // Whole seconds, as the API has times; null for the epoch.
  void Time(const char* key, base::WallTime value) {
    Key(key);
    if (base::UnixNanos(value) == 0) {
      out_ += "null";
      return;
    }
    // The same second comes again and again.
    int64_t second = base::UnixNanos(value) / 1'000'000'000;
    if (second != second_) {
      second_ = second;
      text_ = base::Rfc3339(value);
    }
    out_ += '"' + text_ + '"';
  }

 private:
  void Key(const char* key) {
    if (comma_) out_ += ',';
    comma_ = true;
    if (key == nullptr) return;
    out_ += '"';
    out_ += key;
    out_ += "\":";
  }
  void Begin(const char* key, char c) {
    Key(key);
    out_ += c;
    comma_ = false;
  }
  void End(char c) {
    out_ += c;
    comma_ = true;
  }

  std::string& out_;
  bool comma_ = false;
  int64_t second_ = 0;
  std::string text_;
};

}  // namespace kubelet::stats
