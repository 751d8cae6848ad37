#include "runtime/env_file.h"

#include <optional>

namespace kubelet::runtime {
namespace {

constexpr char kBlanks[] = " \t";
// What upstream's line scanner holds.
constexpr size_t kMaxLine = 64 * 1024;

std::string TrimLeft(const std::string& text) {
  size_t first = text.find_first_not_of(kBlanks);
  return first == std::string::npos ? "" : text.substr(first);
}

absl::Status Bad(int line, const std::string& what) {
  return absl::InvalidArgumentError("line " + std::to_string(line) + ": " + what);
}

class Lines {
 public:
  explicit Lines(const std::string& text) : text_(text) {}
  std::optional<std::string> Next() {
    if (at_ >= text_.size()) return std::nullopt;
    size_t end = text_.find('\n', at_);
    size_t stop = end == std::string::npos ? text_.size() : end;
    too_long_ = too_long_ || stop - at_ >= kMaxLine;
    std::string line = text_.substr(at_, stop - at_);
    at_ = end == std::string::npos ? text_.size() : end + 1;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    ++number_;
    return line;
  }
  int number() const { return number_; }
  bool too_long() const { return too_long_; }

 private:
  const std::string& text_;
  size_t at_ = 0;
  int number_ = 0;
  bool too_long_ = false;
};

// From the opening quote on.
absl::StatusOr<std::string> Quoted(Lines& lines, std::string rest) {
  int start = lines.number();
  if (rest.empty() || rest[0] != '\'') return Bad(start, "a value stands in single quotes");
  rest.erase(0, 1);
  std::string value;
  for (size_t close; (close = rest.find('\'')) == std::string::npos;) {
    value += rest + "\n";
    auto line = lines.Next();
    if (!line) return Bad(start, "the quote is not closed");
    if (lines.too_long()) return Bad(lines.number(), "too long");
    rest = *std::move(line);
  }
  size_t close = rest.find('\'');
  std::string after = TrimLeft(rest.substr(close + 1));
  if (!after.empty() && after[0] != '#')
    return Bad(lines.number(), "something follows the closing quote");
  return value + rest.substr(0, close);
}

}  // namespace

absl::StatusOr<std::string> ParseEnvFile(const std::string& text, const std::string& key) {
  Lines lines(text);
  while (auto next = lines.Next()) {
    if (lines.too_long()) return Bad(lines.number(), "too long");
    std::string line = TrimLeft(*next);
    if (line.empty() || line[0] == '#') continue;
    size_t equals = line.find('=');
    if (equals == std::string::npos) return Bad(lines.number(), "no `=`");
    std::string name = line.substr(0, equals);
    if (name.empty()) return Bad(lines.number(), "no name before `=`");
    if (name.find_last_of(kBlanks) == name.size() - 1)
      return Bad(lines.number(), "blanks before `=`");
    std::string rest = line.substr(equals + 1);
    // As a shell has it: `NAME= 'x'` gives NAME the empty value.
    if (!rest.empty() && TrimLeft(rest).size() != rest.size()) {
      if (name == key) return std::string();
      continue;
    }
    auto value = Quoted(lines, std::move(rest));
    if (!value.ok() || name == key) return value;
  }
  return std::string();
}

}  // namespace kubelet::runtime
