#include "api/yaml_scalar.h"

#include <charconv>
#include <string_view>

#include "absl/status/status.h"
#include "api/yaml_text.h"
#include "kubelet/base/status.h"

namespace kubelet::api {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t'; }
bool IsSpace(char c) { return IsBlank(c) || c == '\n'; }

absl::Status Error(const char* message) { return absl::InvalidArgumentError(message); }

absl::Status Disagreement() { return Error("ambiguous scalar"); }

bool SameButForSpace(std::string_view a, std::string_view b) {
  size_t j = 0;
  for (char c : a) {
    if (IsSpace(c)) continue;
    while (j < b.size() && IsSpace(b[j])) ++j;
    if (j == b.size() || b[j++] != c) return false;
  }
  while (j < b.size() && IsSpace(b[j])) ++j;
  return j == b.size();
}

class QuotedReader {
 public:
  QuotedReader(const std::string& text, size_t start)
      : text_(text), pos_(start + 1), quote_(text[start]) {}

  absl::StatusOr<ScalarText> Read() {
    while (pos_ < text_.size()) {
      char c = text_[pos_];
      if (IsSpace(c)) {
        ReadSpace();
      } else if (c == '\\' && quote_ == '"') {
        RETURN_IF_ERROR(ReadEscape());
      } else if (c != quote_) {
        value_ += c;
        ++pos_;
      } else if (quote_ == '\'' && text_.compare(pos_ + 1, 1, "'") == 0) {
        value_ += c;
        pos_ += 2;
      } else {
        return ScalarText{std::move(value_), pos_ + 1};
      }
    }
    return Error("found unexpected end of stream in a quoted scalar");
  }

 private:
  // Blanks within a line count; around line breaks they do not, and one break alone becomes a
  // space.
  void ReadSpace() {
    size_t from = pos_;
    size_t breaks = 0;
    for (; pos_ < text_.size() && IsSpace(text_[pos_]); ++pos_) breaks += text_[pos_] == '\n';
    if (breaks == 0) {
      value_.append(text_, from, pos_ - from);
    } else if (breaks == 1) {
      value_ += ' ';
    } else {
      value_.append(breaks - 1, '\n');
    }
  }

  absl::Status ReadEscape() {
    if (pos_ + 1 >= text_.size()) return Error("found unexpected end of stream in a quoted scalar");
    char c = text_[pos_ + 1];
    pos_ += 2;
    if (c == '\n') {
      for (; pos_ < text_.size() && IsSpace(text_[pos_]); ++pos_) {
        if (text_[pos_] == '\n') value_ += '\n';
      }
      return absl::OkStatus();
    }
    if (c == 'x') return ReadCode(2);
    if (c == 'u') return ReadCode(4);
    if (c == 'U') return ReadCode(8);
    constexpr std::string_view kNames = "0abt\tnvfre \"'/\\N_LP";
    constexpr unsigned kCodes[] = {0,   7,   8,    9,   9,    10,   11,   12,     13,    27,
                                   ' ', '"', '\'', '/', '\\', 0x85, 0xa0, 0x2028, 0x2029};
    size_t place = kNames.find(c);
    if (place == std::string_view::npos) return Error("found unknown escape character");
    AppendUtf8(value_, kCodes[place]);
    return absl::OkStatus();
  }

  absl::Status ReadCode(size_t digits) {
    unsigned code = 0;
    const char* begin = text_.data() + pos_;
    const char* end = begin + std::min(digits, text_.size() - pos_);
    auto result = std::from_chars(begin, end, code, 16);
    if (result.ec != std::errc() || result.ptr != begin + digits) {
      return Error("did not find expected hexadecimal number");
    }
    if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) {
      return Error("found invalid Unicode character escape code");
    }
    AppendUtf8(value_, code);
    pos_ += digits;
    return absl::OkStatus();
  }

  const std::string& text_;
  size_t pos_;
  char quote_;
  std::string value_;
};

class BlockReader {
 public:
  BlockReader(const std::string& text, size_t start)
      : text_(text), pos_(start), folded_(text[start] == '>') {}

  absl::StatusOr<ScalarText> Read(const std::string& read) {
    ReadHeader();
    bool empty = read.find_first_not_of(" \t\n") == std::string::npos;
    if (!empty || read.find_first_not_of('\n') != std::string::npos)
      RETURN_IF_ERROR(FindIndent(read));
    while (pos_ < text_.size()) {
      size_t spaces = CountSpaces(pos_);
      bool own = indent_ > 0 && spaces >= indent_;
      char next = At(pos_ + (own ? indent_ : spaces));
      if (!own && next == '\t')
        return Error("found a tab character where an indentation space is expected");
      if (!own && next != '\n' && next != '\0') break;
      TakeLine(own ? indent_ : spaces);
    }
    Chomp();
    if (!SameButForSpace(value_, read)) return Disagreement();
    return ScalarText{std::move(value_), std::min(pos_, text_.size())};
  }

 private:
  char At(size_t pos) const { return pos < text_.size() ? text_[pos] : '\0'; }

  size_t CountSpaces(size_t pos) const {
    size_t count = 0;
    while (At(pos + count) == ' ') ++count;
    return count;
  }

  size_t LineEnd(size_t pos) const { return std::min(text_.find('\n', pos), text_.size()); }

  // yaml-cpp has checked what stands here.
  void ReadHeader() {
    size_t end = LineEnd(pos_);
    for (++pos_; pos_ < end && !IsBlank(text_[pos_]) && text_[pos_] != '#'; ++pos_) {
      if (text_[pos_] == '+' || text_[pos_] == '-') chomp_ = text_[pos_];
      if (text_[pos_] >= '1' && text_[pos_] <= '9') explicit_ = true;
    }
    pos_ = end + 1;
  }

  // From the first line with text: its indentation less what of it is part of the value.
  absl::Status FindIndent(const std::string& read) {
    size_t widest = 0;
    size_t line = pos_;
    while (line < text_.size()) {
      size_t spaces = CountSpaces(line);
      char next = At(line + spaces);
      if (next == '\t' && !explicit_)
        return Error("found a tab character where an indentation space is expected");
      if (next != '\n' && next != '\0') break;
      widest = std::max(widest, spaces);
      line += spaces + 1;
    }
    size_t first = read.find_first_not_of(" \n");
    if (first == std::string::npos) return Disagreement();
    size_t before = first == 0 ? std::string::npos : read.rfind('\n', first - 1);
    size_t inner = before == std::string::npos ? first : first - before - 1;
    size_t spaces = CountSpaces(line);
    if (explicit_ ? spaces <= inner : (inner > 0 || spaces == 0)) return Disagreement();
    indent_ = explicit_ ? spaces - inner : spaces;
    if (widest > indent_ && !explicit_)
      return Error("found a blank line that is indented deeper than the text below");
    return absl::OkStatus();
  }

  void TakeLine(size_t indent) {
    size_t from = std::min(pos_ + indent, text_.size());
    size_t end = LineEnd(from);
    if (end > from) {
      bool blank = IsBlank(text_[from]);
      Join(blank);
      value_.append(text_, from, end - from);
      any_ = true;
      after_blank_ = blank;
    }
    if (end < text_.size()) ++breaks_;
    pos_ = end + 1;
  }

  // The breaks between the line before and the one that comes.
  void Join(bool blank) {
    bool fold = folded_ && any_ && !blank && !after_blank_;
    if (!fold) {
      value_.append(breaks_, '\n');
    } else if (breaks_ == 1) {
      value_ += ' ';
    } else {
      value_.append(breaks_ - 1, '\n');
    }
    breaks_ = 0;
  }

  void Chomp() {
    if (chomp_ == '+') {
      value_.append(breaks_, '\n');
    } else if (chomp_ != '-' && any_ && breaks_ > 0) {
      value_ += '\n';
    }
  }

  const std::string& text_;
  size_t pos_;
  bool folded_;
  char chomp_ = ' ';
  bool explicit_ = false;
  size_t indent_ = 0;
  size_t breaks_ = 0;
  bool any_ = false;
  bool after_blank_ = false;
  std::string value_;
};

}  // namespace

absl::StatusOr<ScalarText> ReadQuotedScalar(const std::string& text, size_t start) {
  return QuotedReader(text, start).Read();
}

absl::StatusOr<ScalarText> ReadBlockScalar(const std::string& text, size_t start,
                                           const std::string& read) {
  return BlockReader(text, start).Read(read);
}

absl::StatusOr<ScalarText> ReadPlainScalar(const std::string& text, size_t start,
                                           const std::string& value) {
  size_t pos = start;
  size_t end = start;
  for (char c : value) {
    if (IsSpace(c)) continue;
    while (pos < text.size() && IsSpace(text[pos])) ++pos;
    if (pos == text.size() || text[pos] != c) return Disagreement();
    end = ++pos;
  }
  return ScalarText{value, end};
}

}  // namespace kubelet::api
