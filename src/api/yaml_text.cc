#include "api/yaml_text.h"

#include <cstdint>

#include "kubelet/base/status.h"

namespace kubelet::api {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// YAML 1.1 c-printable (section 5.1); the line breaks are part of it.
bool IsAllowed(unsigned c) {
  return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0x7e) || c == 0x85 ||
         (c >= 0xa0 && c <= 0xfffd) || c >= 0x10000;
}

// Checks every character and makes each line break a \n.
absl::StatusOr<std::string> NormalText(std::string_view input) {
  std::string text;
  text.reserve(input.size());
  int line = 1;
  for (size_t pos = 0; pos < input.size();) {
    Utf8Character c = DecodeUtf8(input, pos);
    if (c.length == 0) return YamlError(line, "invalid UTF-8");
    if (!IsAllowed(c.value)) return YamlError(line, "control characters are not allowed");
    bool crlf = c.value == '\r' && pos + 1 < input.size() && input[pos + 1] == '\n';
    if (crlf || c.value == '\r' || c.value == 0x85 || c.value == '\n') {
      text += '\n';
      ++line;
      pos += crlf ? 2 : c.length;
      continue;
    }
    if (c.value != 0xfeff || !text.empty()) text.append(input, pos, c.length);
    pos += c.length;
  }
  return text;
}

// `---` or `...` as YAML wants it: in the first column, blank or the end behind it.
bool IsMarker(std::string_view line, std::string_view marker) {
  return line.substr(0, 3) == marker && (line.size() == 3 || IsBlank(line[3]));
}

std::string_view SkipBlanks(std::string_view text) {
  size_t pos = text.find_first_not_of(" \t");
  return pos == std::string_view::npos ? std::string_view() : text.substr(pos);
}

// Takes the next word and the blanks behind it off `text`.
std::string_view TakeWord(std::string_view& text) {
  size_t end = std::min(text.find_first_of(" \t"), text.size());
  std::string_view word = text.substr(0, end);
  text = SkipBlanks(text.substr(end));
  return word;
}

bool IsTagHandle(std::string_view word) {
  if (word == "!" || word == "!!") return true;
  if (word.size() < 3 || word.front() != '!' || word.back() != '!') return false;
  for (char c : word.substr(1, word.size() - 2)) {
    if (!isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_') return false;
  }
  return true;
}

// `line` without its leading %. `versions` counts %YAML of this document.
absl::Status CheckDirective(std::string_view line, int number, int& versions) {
  std::string_view name = TakeWord(line);
  if (name == "YAML") {
    std::string_view version = TakeWord(line);
    if (version != "1.1") return YamlError(number, "found incompatible YAML document");
    if (++versions > 1) return YamlError(number, "found duplicate %YAML directive");
  } else if (name == "TAG") {
    std::string_view handle = TakeWord(line);
    std::string_view prefix = TakeWord(line);
    if (!IsTagHandle(handle) || prefix.empty() || prefix.find('%') != std::string_view::npos) {
      return YamlError(number, "bad %TAG directive");
    }
  } else {
    return YamlError(number, "found unknown directive name");
  }
  if (!line.empty() && line[0] != '#') {
    return YamlError(number, "did not find expected comment or line break");
  }
  return absl::OkStatus();
}

// Walks lines until it knows where the first document ends. Markers are the same in every context
// (a quoted scalar may not contain one, a block scalar is ended by one), so no grammar is needed.
class DocumentCutter {
 public:
  explicit DocumentCutter(std::string_view text) : text_(text) {}

  absl::StatusOr<size_t> End() {
    for (size_t pos = 0; pos < text_.size(); ++number_) {
      size_t end = std::min(text_.find('\n', pos), text_.size());
      RETURN_IF_ERROR(Line(text_.substr(pos, end - pos)));
      if (done_) return pos;
      pos = end + 1;
    }
    if (directives_ && !started_)
      return YamlError(number_, "did not find expected <document start>");
    return text_.size();
  }

 private:
  absl::Status Line(std::string_view line) {
    if (IsMarker(line, "---")) {
      done_ = started_;
      started_ = true;
    } else if (IsMarker(line, "...")) {
      if (!started_) return YamlError(number_, "did not find expected node content");
      std::string_view rest = SkipBlanks(line.substr(3));
      if (!rest.empty() && (rest[0] != '#' || rest.data() == line.data() + 3)) {
        return YamlError(number_, "did not find expected <document start> after `...`");
      }
      done_ = true;
    } else if (!started_ && line.substr(0, 1) == "%") {
      directives_ = true;
      return CheckDirective(line.substr(1), number_, versions_);
    } else if (!started_) {
      std::string_view rest = SkipBlanks(line);
      if (rest.empty() || rest[0] == '#') return absl::OkStatus();
      if (directives_) return YamlError(number_, "did not find expected <document start>");
      started_ = true;
    }
    return absl::OkStatus();
  }

  std::string_view text_;
  int number_ = 1;
  int versions_ = 0;
  bool directives_ = false;
  bool started_ = false;
  bool done_ = false;
};

}  // namespace

absl::Status YamlError(int line, const std::string& message) {
  std::string where = line > 0 ? "line " + std::to_string(line) + ": " : "";
  return absl::InvalidArgumentError("yaml: " + where + message);
}

absl::StatusOr<std::string> FirstYamlDocument(std::string_view input) {
  if (input.size() > kMaxYamlBytes) {
    return YamlError(0, "document of " + std::to_string(input.size()) +
                            " bytes is over the limit of " + std::to_string(kMaxYamlBytes));
  }
  ASSIGN_OR_RETURN(std::string text, NormalText(input));
  ASSIGN_OR_RETURN(size_t end, DocumentCutter(text).End());
  text.resize(end);
  return text;
}

bool HasUnicodeBreak(std::string_view text) {
  return text.find("\xe2\x80\xa8") != std::string_view::npos ||
         text.find("\xe2\x80\xa9") != std::string_view::npos;
}

void AppendUtf8(std::string& out, unsigned c) {
  if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) c = 0xfffd;
  if (c < 0x80) {
    out += static_cast<char>(c);
    return;
  }
  int extra = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  constexpr unsigned kLead[] = {0, 0xc0, 0xe0, 0xf0};
  out += static_cast<char>(kLead[extra] | (c >> (6 * extra)));
  while (extra-- > 0) out += static_cast<char>(0x80 | ((c >> (6 * extra)) & 0x3f));
}

Utf8Character DecodeUtf8(std::string_view text, size_t pos) {
  unsigned char lead = text[pos];
  if (lead < 0x80) return {lead, 1};
  int length = lead >= 0xf0 && lead < 0xf8 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 0;
  if (lead >= 0xf8 || length == 0 || text.size() - pos < static_cast<size_t>(length)) return {};
  unsigned value = lead & (0xff >> (length + 1));
  for (int i = 1; i < length; ++i) {
    unsigned char next = text[pos + i];
    if ((next & 0xc0) != 0x80) return {};
    value = value << 6 | (next & 0x3f);
  }
  constexpr unsigned kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < kSmallest[length] || value > 0x10ffff || surrogate) return {};
  return {value, length};
}

}  // namespace kubelet::api
