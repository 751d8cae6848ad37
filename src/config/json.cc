#include "config/json.h"

#include <cctype>
#include <cstring>
#include <utility>

namespace kubelet::config {
namespace {

constexpr int kMaxDepth = 500;

class Reader {
 public:
  explicit Reader(const std::string& json) : json_(json) {}

  absl::StatusOr<JsonValue> Document() {
    JsonValue value;
    if (Value(value, 0) && (SkipBlank(), pos_ == json_.size())) return value;
    return absl::InvalidArgumentError("no JSON at offset " + std::to_string(pos_));
  }

 private:
  char Peek() const { return pos_ < json_.size() ? json_[pos_] : '\0'; }

  void SkipBlank() {
    while (pos_ < json_.size() && std::strchr(" \t\r\n", json_[pos_]) != nullptr &&
           json_[pos_] != '\0')
      ++pos_;
  }

  bool Take(char c) {
    SkipBlank();
    if (Peek() != c) return false;
    ++pos_;
    return true;
  }

  // Between quotes, escapes left as they are: two forms of one key are the writer's doing, and ours
  // has one.
  bool String(std::string& text) {
    if (!Take('"')) return false;
    size_t begin = pos_;
    while (pos_ < json_.size() && json_[pos_] != '"') pos_ += json_[pos_] == '\\' ? 2 : 1;
    if (pos_ >= json_.size()) return false;
    text = json_.substr(begin, pos_ - begin);
    ++pos_;
    return true;
  }

  bool Literal(JsonValue& value) {
    size_t begin = pos_;
    while (pos_ < json_.size() &&
           (std::isalnum(static_cast<unsigned char>(json_[pos_])) || json_[pos_] == '+' ||
            json_[pos_] == '-' || json_[pos_] == '.')) {
      ++pos_;
    }
    value.text = json_.substr(begin, pos_ - begin);
    if (value.text.empty()) return false;
    value.kind = value.text == "null" ? JsonValue::Kind::kNull : JsonValue::Kind::kLiteral;
    bool number = value.text[0] == '-' || std::isdigit(static_cast<unsigned char>(value.text[0]));
    return number || value.text == "null" || value.text == "true" || value.text == "false";
  }

  bool Array(JsonValue& value, int depth) {
    value.kind = JsonValue::Kind::kArray;
    if (Take(']')) return true;
    do {
      if (!Value(value.items.emplace_back(), depth + 1)) return false;
    } while (Take(','));
    return Take(']');
  }

  bool Object(JsonValue& value, int depth) {
    value.kind = JsonValue::Kind::kObject;
    if (Take('}')) return true;
    do {
      JsonMember& member = value.members.emplace_back();
      if (!String(member.key) || !Take(':') || !Value(member.value, depth + 1)) return false;
    } while (Take(','));
    return Take('}');
  }

  bool Value(JsonValue& value, int depth) {
    if (depth > kMaxDepth) return false;
    if (Take('{')) return Object(value, depth);
    if (Take('[')) return Array(value, depth);
    if (Peek() == '"') {
      value.kind = JsonValue::Kind::kString;
      return String(value.text);
    }
    return Literal(value);
  }

  const std::string& json_;
  size_t pos_ = 0;
};

void Write(const JsonValue& value, std::string& out) {
  switch (value.kind) {
    case JsonValue::Kind::kNull:
      out += "null";
      return;
    case JsonValue::Kind::kLiteral:
      out += value.text;
      return;
    case JsonValue::Kind::kString:
      out += '"' + value.text + '"';
      return;
    case JsonValue::Kind::kArray:
      out += '[';
      for (size_t i = 0; i < value.items.size(); ++i) {
        if (i > 0) out += ',';
        Write(value.items[i], out);
      }
      out += ']';
      return;
    case JsonValue::Kind::kObject:
      out += '{';
      for (size_t i = 0; i < value.members.size(); ++i) {
        out += (i > 0 ? ",\"" : "\"") + value.members[i].key + "\":";
        Write(value.members[i].value, out);
      }
      out += '}';
  }
}

void RemoveKey(JsonValue& object, const std::string& key) {
  std::erase_if(object.members, [&key](const JsonMember& member) { return member.key == key; });
}

}  // namespace

const JsonValue* JsonValue::Find(const std::string& key) const {
  for (auto member = members.rbegin(); member != members.rend(); ++member) {
    if (member->key == key) return &member->value;
  }
  return nullptr;
}

absl::StatusOr<JsonValue> ParseJson(const std::string& json) { return Reader(json).Document(); }

std::string WriteJson(const JsonValue& value) {
  std::string out;
  Write(value, out);
  return out;
}

JsonValue MergePatch(JsonValue target, const JsonValue& patch) {
  if (patch.kind != JsonValue::Kind::kObject) return patch;
  if (target.kind != JsonValue::Kind::kObject)
    target = JsonValue{JsonValue::Kind::kObject, "", {}, {}};
  for (const auto& [key, value] : patch.members) {
    const JsonValue* old = target.Find(key);
    JsonValue merged =
        value.IsNull() ? JsonValue{} : MergePatch(old == nullptr ? JsonValue{} : *old, value);
    RemoveKey(target, key);
    if (!value.IsNull()) target.members.push_back({key, std::move(merged)});
  }
  return target;
}

}  // namespace kubelet::config
