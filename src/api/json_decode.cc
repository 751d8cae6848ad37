// The JSON reader: one pass over the text, values go straight into messages. A stack of frames says
// where the next value belongs; unknown values are skipped and raw ones copied by counting
// brackets.
#include <algorithm>
#include <bitset>
#include <boost/json/basic_parser_impl.hpp>

#include "api/json_forms.h"
#include "api/json_place.h"
#include "api/json_sax.h"
#include "api/json_text.h"
#include "api/map_field.h"
#include "api/plan.h"
#include "kubelet/api/codec.h"
#include "kubelet/base/status.h"

namespace kubelet::api {
namespace {

using google::protobuf::MapValueRef;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Type = JsonToken::Type;

constexpr size_t kMaxProblems = 100;  // upstream's bound; each is told once

struct Frame {
  enum class Kind : uint8_t { kMessage, kMap, kList };
  Kind kind = Kind::kMessage;
  Message* owner = nullptr;           // kMessage: the message; otherwise the one that holds `field`
  const MessagePlan* plan = nullptr;  // of kMessage
  const FieldPlan* field = nullptr;   // of kMap and kList
  const KeyPlan* key = nullptr;       // of kMessage: the key that was read last
  int index = -1;                     // of kList: the element that was read last
  std::string name;                   // of kMap: the key that was read last
  std::bitset<kMaxKeys> seen;         // of kMessage
};

struct DecodeState {
  Message* root = nullptr;
  const MessagePlan* plan = nullptr;
  bool strict = false;
  absl::Status status;
  std::vector<std::string> problems;
};

class Decoder : public JsonSax<Decoder> {
 public:
  explicit Decoder(DecodeState& state) : state_(state) {}

  bool Begin(bool object);
  bool End(bool object);
  bool Key(std::string_view key);
  bool String(std::string_view text) { return Value({Type::kString, false, {}, text}); }
  bool Number(const JsonNumber& number) { return Value({Type::kNumber, false, number, {}}); }
  bool Bool(bool value) { return Value({Type::kBool, value, {}, {}}); }
  bool Null() { return Value({}); }

 private:
  bool Value(const JsonToken& token);
  bool TypeMetaValue(const JsonToken& token, const KeyPlan& key);
  bool BeginMessage(bool object, const MessagePlan& plan, Message& message);

  Place NextPlace();
  MapValueRef NewEntry(const Frame& frame);
  Frame& Push(Frame::Kind kind, Message& owner);
  Frame& Top() { return frames_[depth_ - 1]; }

  std::string Path() const;
  bool Fail(const absl::Status& status);
  void Problem(const char* what, const std::string& path);

  DecodeState& state_;
  std::vector<Frame> frames_;  // the first depth_ are in use; the rest keep their memory
  size_t depth_ = 0;
  size_t skip_depth_ = 0;
  bool skip_next_ = false;
  size_t raw_depth_ = 0;
  bool raw_comma_ = false;
  std::string raw_;
  Message* raw_message_ = nullptr;
  const MessagePlan* raw_plan_ = nullptr;
};

std::string Decoder::Path() const {
  std::string path;
  for (size_t i = 0; i < depth_; ++i) {
    const Frame& frame = frames_[i];
    if (frame.kind == Frame::Kind::kList) {
      if (frame.index >= 0) path += "[" + std::to_string(frame.index) + "]";
      continue;
    }
    std::string name = frame.kind == Frame::Kind::kMap ? frame.name
                       : frame.key                     ? std::string(frame.key->name)
                                                       : "";
    if (name.empty()) continue;
    if (!path.empty()) path += '.';
    path += name;
  }
  return path;
}

bool Decoder::Fail(const absl::Status& status) {
  std::string path = Path();
  state_.status = path.empty() ? status : base::Annotate(status, path);
  return false;
}

void Decoder::Problem(const char* what, const std::string& path) {
  std::string problem = std::string(what) + " field \"" + path + "\"";
  std::vector<std::string>& problems = state_.problems;
  if (problems.size() >= kMaxProblems) return;
  if (std::find(problems.begin(), problems.end(), problem) == problems.end())
    problems.push_back(std::move(problem));
}

Frame& Decoder::Push(Frame::Kind kind, Message& owner) {
  if (depth_ == frames_.size()) frames_.emplace_back();
  Frame& frame = frames_[depth_++];
  frame.kind = kind;
  frame.owner = &owner;
  frame.plan = nullptr;
  frame.field = nullptr;
  frame.key = nullptr;
  frame.index = -1;
  frame.name.clear();
  frame.seen.reset();
  return frame;
}

bool Decoder::Key(std::string_view key) {
  if (raw_depth_ > 0) {
    if (raw_comma_) raw_ += ',';
    AppendJsonString(key, raw_);
    raw_ += ':';
    raw_comma_ = false;
    return true;
  }
  if (skip_depth_ > 0) return true;
  Frame& frame = Top();
  if (frame.kind == Frame::Kind::kMap) {
    frame.name = key;
    return true;
  }
  frame.key = nullptr;
  const KeyPlan* plan = frame.plan->Find(key);
  if (plan == nullptr) {
    skip_next_ = true;
    if (state_.strict) {
      std::string path = Path();
      Problem("unknown", path.empty() ? std::string(key) : path + "." + std::string(key));
    }
    return true;
  }
  frame.key = plan;
  if (state_.strict && frame.seen[plan->index]) Problem("duplicate", Path());
  frame.seen.set(plan->index);
  return true;
}

Place Decoder::NextPlace() {
  Frame& frame = Top();
  if (frame.kind == Frame::Kind::kList) {
    ++frame.index;
    return {Place::Kind::kElement, frame.owner, frame.field, {}};
  }
  if (frame.kind == Frame::Kind::kMap)
    return {Place::Kind::kEntry, frame.owner, frame.field, NewEntry(frame)};
  Message* owner = frame.owner;
  for (const auto* step : frame.key->inlined)
    owner = owner->GetReflection()->MutableMessage(owner, step);
  return {Place::Kind::kField, owner, frame.key->field, {}};
}

MapValueRef Decoder::NewEntry(const Frame& frame) {
  MapValueRef value;
  if (InsertMapValue(*frame.owner, frame.field->field, frame.name, value)) return value;
  if (state_.strict) Problem("duplicate", Path());
  // The later value stands alone, nothing of the earlier one stays.
  EraseMapValue(*frame.owner, frame.field->field, frame.name);
  InsertMapValue(*frame.owner, frame.field->field, frame.name, value);
  return value;
}

bool Decoder::BeginMessage(bool object, const MessagePlan& plan, Message& message) {
  if (plan.form == RAW_JSON) {
    raw_message_ = &message;
    raw_plan_ = &plan;
    raw_ = object ? "{" : "[";
    raw_depth_ = 1;
    raw_comma_ = false;
    return true;
  }
  if (plan.form == STRING_ARRAY && !object) {
    message.Clear();
    Push(Frame::Kind::kList, message).field = &plan.fields[0];
    return true;
  }
  if (plan.form != OBJECT || !object)
    return Fail(Mismatch(FormName(plan.form), object ? "object" : "array"));
  Push(Frame::Kind::kMessage, message).plan = &plan;
  return true;
}

bool Decoder::Begin(bool object) {
  if (raw_depth_ > 0) {
    if (raw_comma_) raw_ += ',';
    raw_ += object ? '{' : '[';
    raw_comma_ = false;
    ++raw_depth_;
    return true;
  }
  if (skip_depth_ > 0 || skip_next_) {
    skip_next_ = false;
    ++skip_depth_;
    return true;
  }
  if (depth_ == 0) return BeginMessage(object, *state_.plan, *state_.root);
  if (const KeyPlan* key = Top().key; key != nullptr && key->role != KeyPlan::Role::kField) {
    return Fail(Mismatch("a string", object ? "object" : "array"));
  }
  Place place = NextPlace();
  const FieldPlan& field = *place.field;
  if (place.kind == Place::Kind::kField && (field.repeated || field.map)) {
    if (object != field.map)
      return Fail(Mismatch(field.map ? "an object" : "an array", object ? "object" : "array"));
    if (field.repeated) place.owner->GetReflection()->ClearField(place.owner, field.field);
    Push(field.map ? Frame::Kind::kMap : Frame::Kind::kList, *place.owner).field = &field;
    return true;
  }
  if (field.kind != ValueKind::kMessage)
    return Fail(Mismatch(WantedAt(place), object ? "object" : "array"));
  return BeginMessage(object, *field.message, MessageAt(place));
}

bool Decoder::End(bool object) {
  if (raw_depth_ > 0) {
    raw_ += object ? '}' : ']';
    raw_comma_ = true;
    if (--raw_depth_ == 0)
      raw_message_->GetReflection()->SetString(raw_message_, raw_plan_->raw, raw_);
    return true;
  }
  if (skip_depth_ > 0) {
    --skip_depth_;
    return true;
  }
  --depth_;
  return true;
}

void AppendToken(const JsonToken& token, std::string& out) {
  switch (token.type) {
    case Type::kNull:
      out += "null";
      return;
    case Type::kBool:
      out += token.boolean ? "true" : "false";
      return;
    case Type::kNumber:
      out += token.number.text;
      return;
    case Type::kString:
      AppendJsonString(token.text, out);
      return;
  }
}

bool Decoder::TypeMetaValue(const JsonToken& token, const KeyPlan& key) {
  if (token.type == Type::kNull) return true;
  if (token.type != Type::kString) return Fail(Mismatch("a string", token.TypeName()));
  const MessagePlan& plan = *Top().plan;
  const std::string& wanted = key.role == KeyPlan::Role::kKind ? plan.kind : plan.api_version;
  if (token.text.empty() || token.text == wanted || wanted == "*") return true;
  return Fail(Mismatch("\"" + wanted + "\"", "\"" + std::string(token.text) + "\""));
}

bool Decoder::Value(const JsonToken& token) {
  if (raw_depth_ > 0) {
    if (raw_comma_) raw_ += ',';
    AppendToken(token, raw_);
    return raw_comma_ = true;
  }
  if (skip_depth_ > 0 || skip_next_) {
    skip_next_ = false;
    return true;
  }
  if (depth_ == 0) {
    JsonForm form = state_.plan->form;
    if (form == OBJECT || form == STRING_ARRAY)
      return Fail(Mismatch(FormName(form), token.TypeName()));
    if (form == RAW_JSON) {
      AppendToken(token, raw_);
      state_.root->GetReflection()->SetString(state_.root, state_.plan->raw, raw_);
      return true;
    }
    absl::Status status = token.type == Type::kNull ? absl::OkStatus()
                                                    : DecodeForm(token, *state_.plan, *state_.root);
    return status.ok() || Fail(status);
  }
  if (const KeyPlan* key = Top().key; key != nullptr && key->role != KeyPlan::Role::kField) {
    return TypeMetaValue(token, *key);
  }
  Place place = NextPlace();
  if (token.type == Type::kNull) {
    StoreNull(place);
    return true;
  }
  const FieldPlan& field = *place.field;
  if (place.kind == Place::Kind::kField && (field.repeated || field.map)) {
    return Fail(Mismatch(field.map ? "an object" : "an array", token.TypeName()));
  }
  absl::Status status;
  if (field.kind != ValueKind::kMessage) {
    status = StoreScalar(place, token);
  } else if (field.message->form == OBJECT || field.message->form == STRING_ARRAY) {
    status = Mismatch(FormName(field.message->form), token.TypeName());
  } else if (field.message->form == RAW_JSON) {
    raw_.clear();
    AppendToken(token, raw_);
    Message& message = MessageAt(place);
    message.GetReflection()->SetString(&message, field.message->raw, raw_);
  } else {
    status = DecodeForm(token, *field.message, MessageAt(place));
  }
  return status.ok() || Fail(status);
}

bool Attempt(std::string_view json, DecodeState& state, std::string& error) {
  state.root->Clear();
  state.status = absl::OkStatus();
  state.problems.clear();
  return ParseJson<Decoder>(json, error, state);
}

}  // namespace

absl::Status DecodeJson(std::string_view json, Message& out, const DecodeOptions& options) {
  DecodeState state;
  state.root = &out;
  state.plan = &PlanOf(out.GetDescriptor());
  state.strict = options.strict;
  std::string error;
  bool ok = Attempt(json, state, error);
  if (!ok && state.status.ok()) {
    if (std::optional<std::string> mended = MendUnicode(json)) ok = Attempt(*mended, state, error);
  }
  if (!state.status.ok()) return state.status;
  if (!ok) return absl::InvalidArgumentError("invalid JSON: " + error);
  if (state.problems.empty()) return absl::OkStatus();
  if (options.warnings != nullptr) {
    options.warnings->insert(options.warnings->end(), state.problems.begin(), state.problems.end());
    return absl::OkStatus();
  }
  std::string all;
  for (const std::string& problem : state.problems) all += (all.empty() ? "" : ", ") + problem;
  return absl::InvalidArgumentError("strict decoding error: " + all);
}

}  // namespace kubelet::api
