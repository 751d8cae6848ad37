#include "source/json_cut.h"

namespace kubelet::source {
namespace {

class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  bool Take(char c) {
    Space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool Peek(char c) {
    Space();
    return at_ < text_.size() && text_[at_] == c;
  }

  // A value with everything nested in it.
  std::optional<std::string_view> Value() {
    Space();
    size_t start = at_;
    int depth = 0;
    for (; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '"') {
        if (!SkipString()) return std::nullopt;
        if (depth == 0) break;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']') {
        if (depth == 0) break;
        if (--depth == 0) {
          ++at_;
          return text_.substr(start, at_ - start);
        }
      } else if (depth == 0 && (c == ',' || c == ':' || IsSpace(c))) {
        break;
      }
    }
    if (at_ < text_.size() && depth == 0 && text_[at_] == '"') ++at_;
    if (depth != 0 || at_ == start) return std::nullopt;
    return text_.substr(start, at_ - start);
  }

 private:
  static bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
  void Space() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }
  // From the opening to the closing quote.
  bool SkipString() {
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '"') {
        return true;
      }
    }
    return false;
  }
  std::string_view text_;
  size_t at_ = 0;
};

bool IsMarker(std::string_view line, std::string_view marker) {
  if (line.substr(0, 3) != marker) return false;
  return line.size() == 3 || line[3] == ' ' || line[3] == '\t' || line[3] == '\r';
}

}  // namespace

std::optional<std::string_view> JsonMember(std::string_view object, std::string_view key) {
  Cursor cursor(object);
  if (!cursor.Take('{')) return std::nullopt;
  while (!cursor.Peek('}')) {
    auto name = cursor.Value();
    if (!name || !cursor.Take(':')) return std::nullopt;
    auto value = cursor.Value();
    if (!value) return std::nullopt;
    if (name->size() == key.size() + 2 && name->front() == '"' &&
        name->substr(1, key.size()) == key)
      return value;
    if (!cursor.Take(',')) break;
  }
  return std::nullopt;
}

std::optional<std::vector<std::pair<std::string_view, std::string_view>>> JsonMembers(
    std::string_view object) {
  Cursor cursor(object);
  std::vector<std::pair<std::string_view, std::string_view>> members;
  if (!cursor.Take('{')) return std::nullopt;
  if (cursor.Take('}')) return members;
  for (;;) {
    auto name = cursor.Value();
    if (!name || name->size() < 2 || name->front() != '"' || !cursor.Take(':')) return std::nullopt;
    auto value = cursor.Value();
    if (!value) return std::nullopt;
    members.emplace_back(name->substr(1, name->size() - 2), *value);
    if (cursor.Take('}')) return members;
    if (!cursor.Take(',')) return std::nullopt;
  }
}

std::optional<std::vector<std::string_view>> JsonElements(std::string_view array) {
  Cursor cursor(array);
  std::vector<std::string_view> elements;
  if (!cursor.Take('[')) return std::nullopt;
  if (cursor.Take(']')) return elements;
  for (;;) {
    auto value = cursor.Value();
    if (!value) return std::nullopt;
    elements.push_back(*value);
    if (cursor.Take(']')) return elements;
    if (!cursor.Take(',')) return std::nullopt;
  }
}

std::string JsonPlainString(std::string_view value) {
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') return "";
  value = value.substr(1, value.size() - 2);
  return value.find('\\') == std::string_view::npos ? std::string(value) : "";
}

int CountYamlDocuments(std::string_view text) {
  int documents = 0;
  bool content = false;
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    // A marker at the start of a line is one even inside a quoted scalar (YAML 1.1, 9.1.2).
    bool separator = IsMarker(line, "---");
    if (separator || IsMarker(line, "...")) {
      content = false;
      if (!separator) continue;
      line.remove_prefix(3);
    }
    size_t first = line.find_first_not_of(" \t\r");
    if (content || first == std::string_view::npos || line[first] == '#') continue;
    if (line[0] == '%') continue;
    content = true;
    ++documents;
  }
  return documents;
}

std::vector<std::string> YamlDocuments(std::string_view text) {
  std::vector<std::string> documents(1);
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    size_t size = end == std::string_view::npos ? text.size() : end + 1;
    bool ended = IsMarker(line, "...");
    // Directives stand before the marker of their document.
    bool directives = CountYamlDocuments(documents.back()) == 0;
    if ((IsMarker(line, "---") && !directives) || ended) documents.emplace_back();
    if (!ended) documents.back() += text.substr(0, size);
    text.remove_prefix(size);
  }
  std::erase_if(documents, [](const std::string& one) { return CountYamlDocuments(one) == 0; });
  return documents;
}

}  // namespace kubelet::source
