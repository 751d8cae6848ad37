#include "api/yaml_emit.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <cstdint>
#include <utility>
#include <vector>

#include "api/json_sax.h"
#include "api/yaml_quote.h"
#include "api/yaml_resolve.h"
#include "api/yaml_text.h"
#include "kubelet/api/codec.h"

namespace kubelet::api {
namespace {

enum class Kind : uint8_t { kString, kOther, kSequence, kMapping };

struct Node {
  Kind kind = Kind::kOther;
  std::string text;  // of a string, or what is written for a number, boolean or null
  std::vector<std::pair<std::string, uint32_t>> children;
};

// Collects the nodes in the order of the text; the first is the root.
class Collector : public JsonSax<Collector> {
 public:
  explicit Collector(std::vector<Node>& nodes) : nodes_(nodes) {}

  bool Begin(bool object) {
    Add(object ? Kind::kMapping : Kind::kSequence, "");
    open_.push_back(static_cast<uint32_t>(nodes_.size() - 1));
    return true;
  }
  bool End(bool) {
    open_.pop_back();
    return true;
  }
  bool Key(std::string_view key) {
    key_ = key;
    return true;
  }
  bool String(std::string_view text) { return Add(Kind::kString, std::string(text)); }
  bool Bool(bool value) { return Add(Kind::kOther, value ? "true" : "false"); }
  bool Null() { return Add(Kind::kOther, "null"); }
  bool Number(const JsonNumber& number) {
    std::string text(number.text);
    absl::StatusOr<YamlValue> value = ResolveYamlScalar("", true, text);
    // -0 is an integer to YAML, so it has no sign.
    if (value.ok() && value->kind == YamlValue::Kind::kInt) text = std::to_string(value->integer);
    if (value.ok() && value->kind == YamlValue::Kind::kFloat) text = YamlFloat(value->number);
    return Add(Kind::kOther, std::move(text));
  }

 private:
  bool Add(Kind kind, std::string text) {
    if (!open_.empty()) {
      nodes_[open_.back()].children.emplace_back(std::exchange(key_, ""),
                                                 static_cast<uint32_t>(nodes_.size()));
    }
    nodes_.push_back({kind, std::move(text), {}});
    return true;
  }

  std::vector<Node>& nodes_;
  std::vector<uint32_t> open_;
  std::string key_;
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
}

// Signs, then digits, then letters.
int Rank(char c) { return IsDigit(c) ? 1 : IsLetter(c) ? 2 : 0; }

std::string_view TakeDigits(std::string_view& text) {
  size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  std::string_view digits = text.substr(0, end);
  text.remove_prefix(end);
  return digits;
}

// Below zero, zero, above zero; equal numbers by how many zeros lead them.
int CompareNumbers(std::string_view a, std::string_view b) {
  std::string_view a_digits = a.substr(std::min(a.find_first_not_of('0'), a.size()));
  std::string_view b_digits = b.substr(std::min(b.find_first_not_of('0'), b.size()));
  if (a_digits.size() != b_digits.size()) return a_digits.size() < b_digits.size() ? -1 : 1;
  if (int order = a_digits.compare(b_digits); order != 0) return order;
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

bool KeyLess(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (IsDigit(a[0]) && IsDigit(b[0])) {
      if (int order = CompareNumbers(TakeDigits(a), TakeDigits(b)); order != 0) return order < 0;
      continue;
    }
    if (Rank(a[0]) != Rank(b[0])) return Rank(a[0]) < Rank(b[0]);
    if (a[0] != b[0]) return static_cast<unsigned char>(a[0]) < static_cast<unsigned char>(b[0]);
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return a.empty() && !b.empty();
}

// Writes with a stack of its own; the depth is the JSON parser's to bound.
class Writer {
 public:
  explicit Writer(std::vector<Node>& nodes) : nodes_(nodes) {}

  std::string Write() {
    Value(nodes_[0], 0, Place::kRoot);
    while (!stack_.empty()) Step();
    return std::move(out_);
  }

 private:
  enum class Place { kRoot, kKey, kItem };
  struct Frame {
    Node* node;
    size_t column;
    size_t next;
    bool first_inline;  // its first line goes on behind `- `
  };

  // What stands behind `key:`, behind `- ` or at the top. `column` is where the parent's children
  // begin.
  void Value(Node& node, size_t column, Place place) {
    const char* space = place == Place::kKey ? " " : "";
    if (node.kind == Kind::kOther) {
      out_ += space + node.text + "\n";
    } else if (node.kind == Kind::kString) {
      out_ += space + YamlString(node.text, column + 2) + "\n";
    } else if (node.children.empty()) {
      out_ += std::string(space) + (node.kind == Kind::kMapping ? "{}" : "[]") + "\n";
    } else {
      bool mapping = node.kind == Kind::kMapping;
      if (mapping) SortKeys(node);
      bool deeper = place == Place::kItem || (place == Place::kKey && mapping);
      if (place == Place::kKey) out_ += "\n";
      stack_.push_back({&node, deeper ? column + 2 : column, 0, place == Place::kItem});
    }
  }

  // Of equal keys the last one counts.
  static void SortKeys(Node& node) {
    auto& children = node.children;
    std::stable_sort(children.begin(), children.end(),
                     [](const auto& a, const auto& b) { return KeyLess(a.first, b.first); });
    size_t kept = 0;
    for (size_t i = 0; i < children.size(); ++i) {
      bool repeated = i + 1 < children.size() && children[i].first == children[i + 1].first;
      if (!repeated && kept++ != i) children[kept - 1] = std::move(children[i]);
    }
    children.resize(kept);
  }

  void Step() {
    Frame& frame = stack_.back();
    Node& node = *frame.node;
    if (frame.next == node.children.size()) {
      stack_.pop_back();
      return;
    }
    size_t column = frame.column;
    if (!std::exchange(frame.first_inline, false)) out_.append(column, ' ');
    auto& [key, index] = node.children[frame.next++];
    if (node.kind == Kind::kSequence) {
      out_ += "- ";
      Value(nodes_[index], column, Place::kItem);
      return;
    }
    Key(key, column);
    Value(nodes_[index], column, Place::kKey);
  }

  // libyaml allows 128 bytes for a key on the line of its value.
  void Key(const std::string& key, size_t column) {
    std::string text = YamlInlineString(key);
    if (text.size() > 128) {
      out_ += "? " + text + "\n" + std::string(column, ' ') + ":";
    } else {
      out_ += text + ":";
    }
  }

  std::vector<Node>& nodes_;
  std::vector<Frame> stack_;
  std::string out_;
};

}  // namespace

absl::StatusOr<std::string> JsonToYaml(std::string_view json) {
  std::vector<Node> nodes;
  std::string error;
  if (!ParseJson<Collector>(json, error, nodes) || nodes.empty())
    return absl::InvalidArgumentError("json: " + error);
  return Writer(nodes).Write();
}

std::string EncodeYaml(const google::protobuf::Message& message) {
  std::string json = EncodeJson(message);
  absl::StatusOr<std::string> yaml = JsonToYaml(json);
  // JSON is YAML too, should the message nest deeper than JSON may.
  return yaml.ok() ? *std::move(yaml) : json;
}

}  // namespace kubelet::api
