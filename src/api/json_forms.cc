#include "api/json_forms.h"

#include <limits>

#include "api/json_text.h"
#include "kubelet/api/quantity.h"
#include "kubelet/api/time.h"
#include "kubelet/base/status.h"

namespace kubelet::api {
namespace {

using google::protobuf::Message;
using google::protobuf::Reflection;
using Type = JsonToken::Type;

constexpr UnixTime kYearOne{-62135596800, 0};  // Go's zero time

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  size_t from = text.find_first_not_of(kSpace);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kSpace) + 1 - from);
}

std::string StringField(const Message& message, const MessagePlan& plan, size_t i) {
  return message.GetReflection()->GetString(message, plan.fields[i].field);
}

absl::Status DecodeQuantity(const JsonToken& token, const MessagePlan& plan, Message& out) {
  if (token.type == Type::kBool) return Mismatch("a quantity", token.TypeName());
  absl::StatusOr<std::string> text =
      CanonicalQuantity(token.type == Type::kNumber ? token.number.text : Trim(token.text));
  if (!text.ok()) return text.status();
  out.GetReflection()->SetString(&out, plan.fields[0].field, *std::move(text));
  return absl::OkStatus();
}

absl::Status DecodeDuration(const JsonToken& token, const MessagePlan& plan, Message& out) {
  int64_t nanos = 0;
  if (plan.form == TIME_OR_DURATION && token.type == Type::kNumber) {
    if (token.number.kind != JsonNumber::Kind::kInt64)
      return Mismatch("integer nanoseconds", std::string(token.number.text));
    nanos = token.number.i;
  } else {
    if (token.type != Type::kString) return Mismatch(FormName(plan.form), token.TypeName());
    absl::StatusOr<base::Nanos> parsed = ParseGoDuration(token.text);
    if (!parsed.ok()) return parsed.status();
    nanos = parsed->count();
  }
  out.GetReflection()->SetInt64(&out, plan.fields[0].field, nanos);
  return absl::OkStatus();
}

absl::Status DecodeTime(const JsonToken& token, const MessagePlan& plan, Message& out) {
  if (token.type != Type::kString) return Mismatch("a time", token.TypeName());
  absl::StatusOr<UnixTime> time = ParseRfc3339(token.text);
  if (!time.ok()) return time.status();
  bool micro = plan.form == MICRO_TIME;
  if (micro) {
    // Go reads it with a layout of exactly six digits.
    size_t point = token.text.find_first_of(".,");
    size_t end = point == std::string_view::npos
                     ? point
                     : token.text.find_first_not_of("0123456789", point + 1);
    if (end == std::string_view::npos || end - point != 7) {
      return absl::InvalidArgumentError("\"" + std::string(token.text) +
                                        "\" must have six fraction digits");
    }
  }
  const Reflection* reflection = out.GetReflection();
  if (*time == kYearOne) {
    out.Clear();
    return absl::OkStatus();
  }
  reflection->SetInt64(&out, plan.fields[0].field, time->seconds);
  reflection->SetInt32(&out, plan.fields[1].field, micro ? time->nanos : 0);
  return absl::OkStatus();
}

absl::Status DecodeIntOrString(const JsonToken& token, const MessagePlan& plan, Message& out) {
  if (token.type == Type::kBool) return Mismatch("an integer or a string", token.TypeName());
  const Reflection* reflection = out.GetReflection();
  bool is_string = token.type == Type::kString;
  if (!is_string) {
    if (token.number.kind != JsonNumber::Kind::kInt64)
      return Mismatch("an integer or a string", std::string(token.number.text));
    if (token.number.i != static_cast<int32_t>(token.number.i)) {
      return absl::InvalidArgumentError(std::string(token.number.text) +
                                        " is out of range for int32");
    }
  }
  reflection->SetInt64(&out, plan.fields[0].field, is_string ? 1 : 0);
  reflection->SetInt32(&out, plan.fields[1].field,
                       is_string ? 0 : static_cast<int32_t>(token.number.i));
  reflection->SetString(&out, plan.fields[2].field,
                        is_string ? std::string(token.text) : std::string());
  return absl::OkStatus();
}

absl::Status DecodeGroupVersion(const JsonToken& token, const MessagePlan& plan, Message& out) {
  if (token.type != Type::kString) return Mismatch("a string", token.TypeName());
  size_t slash = token.text.find('/');
  if (slash != token.text.rfind('/')) {
    return absl::InvalidArgumentError("\"" + std::string(token.text) + "\" is not group/version");
  }
  bool core = slash == std::string_view::npos;
  const Reflection* reflection = out.GetReflection();
  reflection->SetString(&out, plan.fields[0].field,
                        std::string(core ? std::string_view() : token.text.substr(0, slash)));
  reflection->SetString(&out, plan.fields[1].field,
                        std::string(core ? token.text : token.text.substr(slash + 1)));
  return absl::OkStatus();
}

void EncodeTime(const Message& message, const MessagePlan& plan, std::string& out) {
  if (IsZeroForm(message, plan)) {
    out += "null";
    return;
  }
  const Reflection* reflection = message.GetReflection();
  UnixTime time{reflection->GetInt64(message, plan.fields[0].field),
                reflection->GetInt32(message, plan.fields[1].field)};
  // Go has no text for other years; these are the ends of what has one.
  time.seconds = std::clamp<int64_t>(time.seconds, -62167219200, 253402300799);
  time.nanos = std::clamp<int32_t>(time.nanos, 0, 999'999'999);
  out += '"' + FormatRfc3339(time, plan.form == MICRO_TIME ? 6 : 0) + '"';
}

void EncodeIntOrString(const Message& message, const MessagePlan& plan, std::string& out) {
  const Reflection* reflection = message.GetReflection();
  if (reflection->GetInt64(message, plan.fields[0].field) == 1) {
    AppendJsonString(StringField(message, plan, 2), out);
  } else {
    out += std::to_string(reflection->GetInt32(message, plan.fields[1].field));
  }
}

void EncodeStrings(const Message& message, const MessagePlan& plan, std::string& out) {
  const Reflection* reflection = message.GetReflection();
  int size = reflection->FieldSize(message, plan.fields[0].field);
  if (size == 0) {
    out += "null";
    return;
  }
  std::string scratch;
  for (int i = 0; i < size; ++i) {
    out += i == 0 ? '[' : ',';
    AppendJsonString(
        reflection->GetRepeatedStringReference(message, plan.fields[0].field, i, &scratch), out);
  }
  out += ']';
}

void EncodeQuantity(const Message& message, const MessagePlan& plan, std::string& out) {
  std::string scratch;
  const std::string& text =
      message.GetReflection()->GetStringReference(message, plan.fields[0].field, &scratch);
  if (IsPlainlyCanonicalQuantity(text)) {
    out.append(1, '"').append(text).append(1, '"');
    return;
  }
  absl::StatusOr<Quantity> value = Quantity::Parse(text);
  out += '"' + (value.ok() ? value->ToString() : std::string("0")) + '"';
}

}  // namespace

const char* JsonToken::TypeName() const {
  switch (type) {
    case Type::kNull:
      return "null";
    case Type::kBool:
      return "boolean";
    case Type::kNumber:
      return "number";
    case Type::kString:
      return "string";
  }
  return "";
}

absl::Status Mismatch(const std::string& wanted, const std::string& got) {
  return absl::InvalidArgumentError("expected " + wanted + ", got " + got);
}

const char* FormName(JsonForm form) {
  switch (form) {
    case QUANTITY:
      return "a quantity";
    case DURATION:
      return "a duration string";
    case TIME_OR_DURATION:
      return "nanoseconds or a duration string";
    case TIME:
    case MICRO_TIME:
      return "a time";
    case INT_OR_STRING:
      return "an integer or a string";
    case STRING_ARRAY:
      return "an array";
    case GROUP_VERSION:
      return "a string";
    default:
      return "an object";
  }
}

absl::Status DecodeForm(const JsonToken& token, const MessagePlan& plan, Message& out) {
  switch (plan.form) {
    case QUANTITY:
      return DecodeQuantity(token, plan, out);
    case DURATION:
    case TIME_OR_DURATION:
      return DecodeDuration(token, plan, out);
    case TIME:
    case MICRO_TIME:
      return DecodeTime(token, plan, out);
    case INT_OR_STRING:
      return DecodeIntOrString(token, plan, out);
    case GROUP_VERSION:
      return DecodeGroupVersion(token, plan, out);
    default:
      return Mismatch(FormName(plan.form), token.TypeName());
  }
}

void EncodeForm(const Message& message, const MessagePlan& plan, std::string& out) {
  const Reflection* reflection = message.GetReflection();
  switch (plan.form) {
    case QUANTITY:
      return EncodeQuantity(message, plan, out);
    case DURATION:
    case TIME_OR_DURATION:
      out += '"' +
             base::GoDuration(base::Nanos(reflection->GetInt64(message, plan.fields[0].field))) +
             '"';
      return;
    case TIME:
    case MICRO_TIME:
      return EncodeTime(message, plan, out);
    case INT_OR_STRING:
      return EncodeIntOrString(message, plan, out);
    case STRING_ARRAY:
      return EncodeStrings(message, plan, out);
    case GROUP_VERSION: {
      std::string group = StringField(message, plan, 0);
      AppendJsonString(group.empty() ? StringField(message, plan, 1)
                                     : group + "/" + StringField(message, plan, 1),
                       out);
      return;
    }
    case RAW_JSON:
      if (!AppendCompactJson(reflection->GetString(message, plan.raw), out)) out += "null";
      return;
    default:
      return;
  }
}

bool IsZeroForm(const Message& message, const MessagePlan& plan) {
  const Reflection* reflection = message.GetReflection();
  switch (plan.form) {
    case TIME:
    case MICRO_TIME:
      return !reflection->HasField(message, plan.fields[0].field) &&
             !reflection->HasField(message, plan.fields[1].field);
    case STRING_ARRAY:
      return reflection->FieldSize(message, plan.fields[0].field) == 0;
    default:
      return false;
  }
}

bool DecodeBase64(std::string_view text, std::string& out) {
  out.clear();
  out.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  int count = 0;  // characters of the group so far
  int padding = 0;
  for (char c : text) {
    if (c == '\r' || c == '\n') continue;
    uint32_t value = 0;
    if (c >= 'A' && c <= 'Z')
      value = static_cast<uint32_t>(c - 'A');
    else if (c >= 'a' && c <= 'z')
      value = static_cast<uint32_t>(c - 'a') + 26;
    else if (c >= '0' && c <= '9')
      value = static_cast<uint32_t>(c - '0') + 52;
    else if (c == '+')
      value = 62;
    else if (c == '/')
      value = 63;
    else if (c == '=' && count >= 2)
      ++padding;
    else
      return false;
    if (padding > 0 && c != '=') return false;
    bits = bits << 6 | value;
    if (++count < 4) continue;
    for (int shift = 16; shift >= 8 * padding; shift -= 8)
      out += static_cast<char>(bits >> shift & 0xFF);
    if (padding > 0) padding = 3;  // nothing may follow
    bits = 0;
    count = 0;
  }
  return count == 0;
}

}  // namespace kubelet::api
