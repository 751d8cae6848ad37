#include "api/yaml_parse.h"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "api/yaml_gap.h"
#include "api/yaml_scalar.h"
#include "api/yaml_text.h"
#include "kubelet/base/status.h"

namespace kubelet::api {
namespace {

using YAML::Mark;

// Leaves yaml-cpp at the first error; never leaves this file.
struct Stop {
  absl::Status status;
};

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n'; }
bool IsWordCharacter(char c) {
  return isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
}
bool IsOneOf(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }

// yaml-cpp's message in the words people know from go-yaml.
std::string Reworded(const std::string& message) {
  constexpr std::pair<std::string_view, const char*> kWords[] = {
      {"illegal EOF in scalar", "found unexpected end of stream in a quoted scalar"},
      {"illegal map value", "mapping values are not allowed in this context"},
      {"illegal block entry", "block sequence entries are not allowed in this context"},
      {"illegal flow end", "did not find expected node content"},
      {"illegal tab when looking for indentation",
       "found a tab character where an indentation space is expected"},
      {"end of map not found", "did not find expected key"},
      {"end of sequence not found", "did not find expected '-' indicator"},
      {"end of map flow not found", "did not find expected ',' or '}'"},
      {"end of sequence flow not found", "did not find expected ',' or ']'"},
      {"the referenced anchor is not defined", "unknown anchor referenced"},
      {"unknown token", "found character that cannot start any token"},
  };
  for (const auto& [theirs, ours] : kWords) {
    if (message == theirs) return ours;
  }
  return message;
}

class Handler : public YAML::EventHandler {
 public:
  Handler(const std::string& text, YamlDocument& document)
      : text_(text), gaps_(text), document_(document) {}

  void OnDocumentStart(const Mark& mark) override {
    if (std::exchange(started_, true)) Fail(mark, "did not find expected <document start>");
  }
  void OnDocumentEnd() override {}

  void OnNull(const Mark& mark, YAML::anchor_t anchor) override {
    if (MissesColon(mark)) Fail(mark, "could not find expected ':'");
    YamlProperties properties = Properties(mark, "?", anchor);
    // A tag with nothing behind it in the whole document is lost on the way.
    if (open_.empty() && At(content_) == '!') Fail(mark, "did not find expected node content");
    if (size_t length = NullWord(); length > 0) {
      CheckIndent(mark, content_);
      Check(gaps_.SkipTo(content_));
      gaps_.Jump(content_ + length);
    }
    AddScalar(mark, properties, true, "");
  }

  void OnAlias(const Mark& mark, YAML::anchor_t) override {
    std::string name = Name(mark, mark.pos);
    content_ = mark.pos;
    CheckIndent(mark, content_);
    Check(gaps_.SkipTo(content_));
    gaps_.Jump(content_ + name.size() + 1);
    document_.Alias(mark.line + 1, name);
    Check(document_.status());
    CountNode(mark);
  }

  void OnScalar(const Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlProperties properties = Properties(mark, tag, anchor);
    // An empty plain scalar with a tag has no text of its own.
    if (tag != "!" && value.empty() && !IsOneOf(At(content_), "\"'|>"))
      return AddScalar(mark, properties, true, "");
    CheckIndent(mark, content_);
    Check(gaps_.SkipTo(content_));
    absl::StatusOr<ScalarText> scalar = Read(value);
    if (!scalar.ok()) Fail(mark, base::Message(scalar.status()));
    bool quoted = IsOneOf(At(content_), "\"'");
    if (!quoted && HasUnicodeBreak(scalar->value))
      Fail(mark, "found a Unicode line break outside of quotes");
    gaps_.Jump(scalar->end);
    AddScalar(mark, properties, tag == "?", scalar->value);
  }

  void OnSequenceStart(const Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    YamlProperties properties = Properties(mark, tag, anchor);
    Start(mark, false, style == YAML::EmitterStyle::Flow);
    document_.StartSequence(properties);
    Check(document_.status());
  }
  void OnSequenceEnd() override { End(); }

  void OnMapStart(const Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    YamlProperties properties = Properties(mark, tag, anchor);
    Start(mark, true, style == YAML::EmitterStyle::Flow);
    document_.StartMapping(properties);
    Check(document_.status());
  }
  void OnMapEnd() override { End(); }

  absl::Status Finish() { return gaps_.Finish(); }

 private:
  struct Open {
    bool mapping = false;
    bool flow = false;
    size_t column = 0;  // of a block collection
    size_t children = 0;
    int key = 0;  // where the last key began
  };

  [[noreturn]] void Fail(const Mark& mark, const std::string& message) const {
    throw Stop{YamlError(mark.line + 1, message)};
  }

  void Check(const absl::Status& status) {
    if (!status.ok()) throw Stop{status};
  }

  char At(size_t pos) const { return pos < text_.size() ? text_[pos] : '\0'; }

  void AddScalar(const Mark& mark, const YamlProperties& properties, bool plain,
                 const std::string& text) {
    document_.Scalar(properties, plain, text);
    Check(document_.status());
    CountNode(mark);
  }

  void CountNode(const Mark& mark) {
    if (open_.empty()) return;
    Open& open = open_.back();
    if (open.mapping && open.children % 2 == 0) open.key = mark.pos;
    ++open.children;
  }

  void Start(const Mark& mark, bool mapping, bool flow) {
    if (flow) CheckIndent(mark, content_);
    CountNode(mark);
    open_.push_back({.mapping = mapping, .flow = flow, .column = Column(content_)});
  }

  void End() {
    open_.pop_back();
    document_.End();
    Check(document_.status());
  }

  size_t Column(size_t pos) const {
    size_t line = pos == 0 ? std::string::npos : text_.rfind('\n', pos - 1);
    return line == std::string::npos ? pos : pos - line - 1;
  }

  // A scalar, flow collection or property at `pos` that starts a line of a block collection must be
  // indented deeper, or it is a key; at the end of the text yaml-cpp takes it for the value.
  void CheckIndent(const Mark& mark, size_t pos) const {
    if (open_.empty() || open_.back().flow) return;
    const Open& open = open_.back();
    if (open.mapping && open.children % 2 == 0) return;
    size_t column = Column(pos);
    bool starts_line = text_.find_first_not_of(" ", pos - column) == pos;
    if (starts_line && column <= open.column) Fail(mark, "could not find expected ':'");
  }

  // At the end of the text yaml-cpp takes a word in a block mapping for a key without a value, as a
  // manifest cut off within a key has it; the null it makes up then stands where the key does.
  bool MissesColon(const Mark& mark) const {
    if (open_.empty() || open_.back().flow) return false;
    const Open& open = open_.back();
    return open.mapping && open.children % 2 == 1 && open.key == mark.pos;
  }

  // Length of the word for null at content_, 0 when the null is an empty node.
  size_t NullWord() const {
    bool key = !open_.empty() && open_.back().mapping && open_.back().children % 2 == 0;
    for (std::string_view word : {"~", "null", "Null", "NULL"}) {
      if (text_.compare(content_, word.size(), word) != 0) continue;
      size_t end = content_ + word.size();
      size_t next = std::min(text_.find_first_not_of(" \t", end), text_.size());
      bool alone = next == text_.size() || IsOneOf(text_[next], key ? "\n,]}:" : "\n,]}") ||
                   (text_[next] == '#' && next > end);
      return alone ? word.size() : 0;
    }
    return 0;
  }

  // The name behind & or *; yaml-cpp takes nearly any character there.
  std::string Name(const Mark& mark, size_t pos) {
    size_t end = pos + 1;
    while (IsWordCharacter(At(end))) ++end;
    if (end == pos + 1 ||
        (end < text_.size() && !IsSpace(text_[end]) && !IsOneOf(text_[end], ",]}"))) {
      Fail(mark, "did not find expected alphabetic or numeric character");
    }
    return text_.substr(pos + 1, end - pos - 1);
  }

  // `!local`, `!!core`, `!handle!name` or `!<uri>`. The lone `!` is refused: nobody writes it, and
  // yaml-cpp does not tell it from a quoted scalar's.
  size_t SkipTag(const Mark& mark, size_t pos) {
    size_t end = pos;
    while (end < text_.size() && !IsSpace(text_[end])) ++end;
    std::string_view word = std::string_view(text_).substr(pos + 1, end - pos - 1);
    bool verbatim = word.size() > 2 && word.front() == '<' && word.back() == '>';
    if (verbatim) word = word.substr(1, word.size() - 2);
    bool good = !word.empty() && word.back() != '!';
    for (char c : word)
      good = good && (IsWordCharacter(c) || IsOneOf(c, verbatim ? "!./:," : "!./:"));
    if (!good) Fail(mark, "did not find expected tag");
    return end;
  }

  // Reads the properties in front of a node out of the text, since the events lack the names of
  // anchors. Leaves content_ at what follows them. A collection without any may start where its
  // first key's properties do.
  YamlProperties Properties(const Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    YamlProperties properties;
    properties.line = mark.line + 1;
    content_ = mark.pos;
    bool tagged = tag != "?" && (tag != "!" || anchor != 0 || At(content_) == '!');
    if (anchor != 0 || tagged) CheckIndent(mark, content_);
    for (;; SkipSpace()) {
      if (At(content_) == '&' && anchor != 0 && properties.anchor.empty()) {
        properties.anchor = Name(mark, content_);
        content_ += properties.anchor.size() + 1;
      } else if (At(content_) == '!' && tagged) {
        tagged = false;
        content_ = SkipTag(mark, content_);
      } else {
        break;
      }
    }
    if (tag == "?" || tag == "!") return properties;
    // An unknown handle stays as it is written.
    if (tag[0] == '!' && tag.find('!', 1) != std::string::npos)
      Fail(mark, "found undefined tag handle");
    properties.tag = tag;
    return properties;
  }

  void SkipSpace() {
    while (content_ < text_.size()) {
      if (IsSpace(text_[content_])) {
        ++content_;
      } else if (text_[content_] == '#') {
        content_ = std::min(text_.find('\n', content_), text_.size());
      } else {
        return;
      }
    }
  }

  absl::StatusOr<ScalarText> Read(const std::string& value) {
    char first = At(content_);
    if (first == '"' || first == '\'') return ReadQuotedScalar(text_, content_);
    if (first == '|' || first == '>') return ReadBlockScalar(text_, content_, value);
    absl::StatusOr<ScalarText> scalar = ReadPlainScalar(text_, content_, value);
    if (!scalar.ok()) return scalar;
    if (gaps_.InFlow()) RETURN_IF_ERROR(CheckFlowColons(*scalar));
    // The blank lines behind it are the scalar's: tabs may stand there that may not elsewhere.
    scalar->end = std::min(text_.find_first_not_of(" \t\n", scalar->end), text_.size());
    RETURN_IF_ERROR(CheckTabs(scalar->end));
    return scalar;
  }

  // No tab may stand where the lines from content_ to `end` are indented.
  absl::Status CheckTabs(size_t end) const {
    auto block =
        std::find_if(open_.rbegin(), open_.rend(), [](const Open& open) { return !open.flow; });
    if (block == open_.rend()) return absl::OkStatus();
    for (size_t line = text_.find('\n', content_); line < end; line = text_.find('\n', line + 1)) {
      size_t tab = text_.find_first_not_of(' ', line + 1);
      if (tab < end && text_[tab] == '\t' && tab - line - 1 <= block->column) {
        return absl::InvalidArgumentError("found a tab character that violates indentation");
      }
    }
    return absl::OkStatus();
  }

  // go-yaml, yaml-cpp and libyaml each read these in another way.
  absl::Status CheckFlowColons(const ScalarText& scalar) const {
    bool ambiguous = scalar.value[0] == ':' || scalar.value.find(" :") != std::string::npos ||
                     scalar.value.find("\t:") != std::string::npos ||
                     scalar.value.find("\n:") != std::string::npos;
    size_t next = std::min(text_.find_first_not_of(" \t\n", scalar.end), text_.size());
    if (At(next) == ':' && IsOneOf(At(next + 1), ",[]{}")) ambiguous = true;
    return ambiguous ? absl::InvalidArgumentError("found unexpected ':'") : absl::OkStatus();
  }

  const std::string& text_;
  YamlGapScanner gaps_;
  YamlDocument& document_;
  std::vector<Open> open_;
  size_t content_ = 0;
  bool started_ = false;
};

}  // namespace

absl::Status ParseYaml(const std::string& text, YamlDocument& document) {
  try {
    std::istringstream in(text);
    YAML::Parser parser(in);
    Handler handler(text, document);
    // The second call finds what stands behind the first document's node.
    if (parser.HandleNextDocument(handler)) parser.HandleNextDocument(handler);
    return handler.Finish();
  } catch (const Stop& stop) {
    return stop.status;
  } catch (const YAML::DeepRecursion& error) {
    return YamlError(error.mark.line + 1, "nesting is too deep");
  } catch (const YAML::Exception& error) {
    return YamlError(error.mark.line + 1, Reworded(error.msg));
  } catch (const std::exception& error) {
    return YamlError(0, error.what());
  }
}

}  // namespace kubelet::api
