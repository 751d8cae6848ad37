// The protobuf form: magic, envelope, message. The writer goes from the last byte to the first, so
// that every length is known when its prefix is written: one pass, no sizes kept in the message, no
// copy of it.
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstring>
#include <memory>

#include "api/map_field.h"
#include "api/plan.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/quantity.h"
#include "kubelet/base/status.h"

namespace kubelet::api {
namespace {

using google::protobuf::MapValueConstRef;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::internal::WireFormatLite;

constexpr std::string_view kMagic("k8s\0", 4);

class BackWriter {
 public:
  size_t size() const { return capacity_ - at_; }
  void Bytes(const void* data, size_t size) {
    if (size == 0) return;  // there may be no buffer yet
    Reserve(size);
    at_ -= size;
    std::memcpy(buffer_.get() + at_, data, size);
  }
  void Varint(uint64_t value) {
    uint8_t bytes[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7) bytes[n++] = static_cast<uint8_t>(value | 0x80);
    bytes[n++] = static_cast<uint8_t>(value);
    Bytes(bytes, n);
  }
  void Tag(int number, WireFormatLite::WireType type) {
    Varint(static_cast<uint32_t>(number) << 3 | type);
  }
  void VarintField(int number, uint64_t value) {
    Varint(value);
    Tag(number, WireFormatLite::WIRETYPE_VARINT);
  }
  void BytesField(int number, std::string_view value) {
    Bytes(value.data(), value.size());
    Close(number, value.size());
  }
  // Length and tag of what was written last.
  void Close(int number, size_t length) {
    Varint(length);
    Tag(number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  }
  std::string Take() const { return std::string(buffer_.get() + at_, size()); }

 private:
  void Reserve(size_t size) {
    if (at_ >= size) return;
    size_t used = this->size();
    size_t capacity = std::max(capacity_ * 2, used + size + 4096);
    auto grown = std::unique_ptr<char[]>(new char[capacity]);
    if (used > 0) std::memcpy(grown.get() + capacity - used, buffer_.get() + at_, used);
    buffer_ = std::move(grown);
    at_ = capacity - used;
    capacity_ = capacity;
  }
  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0;
  size_t at_ = 0;
};

class Writer {
 public:
  explicit Writer(BackWriter& out) : out_(out) {}

  void Value(const Message& message, const MessagePlan& plan) {
    const Reflection* reflection = message.GetReflection();
    switch (plan.form) {
      case QUANTITY:
        return QuantityText(message, reflection, plan);
      case TIME:
      case MICRO_TIME:
        return Time(message, reflection, plan);
      default:
        break;
    }
    for (auto it = plan.fields.rbegin(); it != plan.fields.rend(); ++it)
      Field(message, reflection, *it);
  }

 private:
  void QuantityText(const Message& message, const Reflection* reflection, const MessagePlan& plan) {
    std::string scratch;
    const std::string& text =
        reflection->GetStringReference(message, plan.fields[0].field, &scratch);
    if (IsPlainlyCanonicalQuantity(text)) return out_.BytesField(1, text);
    absl::StatusOr<Quantity> value = Quantity::Parse(text);
    out_.BytesField(1, value.ok() ? value->ToString() : "0");
  }

  void Time(const Message& message, const Reflection* reflection, const MessagePlan& plan) {
    if (!reflection->HasField(message, plan.fields[0].field) &&
        !reflection->HasField(message, plan.fields[1].field))
      return;
    int32_t nanos = reflection->GetInt32(message, plan.fields[1].field);
    nanos = plan.form == MICRO_TIME ? nanos - nanos % 1000 : 0;
    out_.VarintField(2, static_cast<uint64_t>(static_cast<int64_t>(nanos)));
    out_.VarintField(1, static_cast<uint64_t>(reflection->GetInt64(message, plan.fields[0].field)));
  }

  void Field(const Message& message, const Reflection* reflection, const FieldPlan& field) {
    if (field.map) return Map(message, field);
    if (field.repeated) return List(message, reflection, field);
    // Without the pointer option Go has no presence and writes always; nil bytes are the exception.
    bool optional = field.pointer || field.kind == ValueKind::kBytes;
    if (optional && !reflection->HasField(message, field.field)) return;
    std::string scratch;
    int number = field.field->number();
    switch (field.kind) {
      case ValueKind::kBool:
        return out_.VarintField(number, reflection->GetBool(message, field.field) ? 1 : 0);
      case ValueKind::kInt32:
        return Signed(number, reflection->GetInt32(message, field.field));
      case ValueKind::kInt64:
        return Signed(number, reflection->GetInt64(message, field.field));
      case ValueKind::kUint32:
        return out_.VarintField(number, reflection->GetUInt32(message, field.field));
      case ValueKind::kUint64:
        return out_.VarintField(number, reflection->GetUInt64(message, field.field));
      case ValueKind::kDouble:
        return Double(number, reflection->GetDouble(message, field.field));
      case ValueKind::kString:
      case ValueKind::kBytes:
        return out_.BytesField(number,
                               reflection->GetStringReference(message, field.field, &scratch));
      case ValueKind::kMessage:
        return Nested(number, reflection->GetMessage(message, field.field), *field.message);
    }
  }

  void List(const Message& message, const Reflection* reflection, const FieldPlan& field) {
    int number = field.field->number();
    for (int i = reflection->FieldSize(message, field.field) - 1; i >= 0; --i) {
      std::string scratch;
      switch (field.kind) {
        case ValueKind::kBool:
          out_.VarintField(number, reflection->GetRepeatedBool(message, field.field, i) ? 1 : 0);
          break;
        case ValueKind::kInt32:
          Signed(number, reflection->GetRepeatedInt32(message, field.field, i));
          break;
        case ValueKind::kInt64:
          Signed(number, reflection->GetRepeatedInt64(message, field.field, i));
          break;
        case ValueKind::kUint32:
          out_.VarintField(number, reflection->GetRepeatedUInt32(message, field.field, i));
          break;
        case ValueKind::kUint64:
          out_.VarintField(number, reflection->GetRepeatedUInt64(message, field.field, i));
          break;
        case ValueKind::kDouble:
          Double(number, reflection->GetRepeatedDouble(message, field.field, i));
          break;
        case ValueKind::kString:
        case ValueKind::kBytes:
          out_.BytesField(
              number, reflection->GetRepeatedStringReference(message, field.field, i, &scratch));
          break;
        case ValueKind::kMessage:
          Nested(number, reflection->GetRepeatedMessage(message, field.field, i), *field.message);
          break;
      }
    }
  }

  void Map(const Message& message, const FieldPlan& field) {
    std::vector<MapEntry> entries = SortedMap(message, field.field);
    for (auto it = entries.rbegin(); it != entries.rend(); ++it) {
      size_t before = out_.size();
      Entry(it->value, field);
      out_.BytesField(1, it->key);
      out_.Close(field.field->number(), out_.size() - before);
    }
  }

  void Entry(const MapValueConstRef& value, const FieldPlan& field) {
    switch (field.kind) {
      case ValueKind::kBool:
        return out_.VarintField(2, value.GetBoolValue() ? 1 : 0);
      case ValueKind::kInt32:
        return Signed(2, value.GetInt32Value());
      case ValueKind::kInt64:
        return Signed(2, value.GetInt64Value());
      case ValueKind::kUint32:
        return out_.VarintField(2, value.GetUInt32Value());
      case ValueKind::kUint64:
        return out_.VarintField(2, value.GetUInt64Value());
      case ValueKind::kDouble:
        return Double(2, value.GetDoubleValue());
      case ValueKind::kString:
      case ValueKind::kBytes:
        return out_.BytesField(2, value.GetStringValue());
      case ValueKind::kMessage:
        return Nested(2, value.GetMessageValue(), *field.message);
    }
  }

  void Nested(int number, const Message& message, const MessagePlan& plan) {
    size_t before = out_.size();
    Value(message, plan);
    out_.Close(number, out_.size() - before);
  }

  void Signed(int number, int64_t value) { out_.VarintField(number, static_cast<uint64_t>(value)); }
  void Double(int number, double value) {
    uint64_t bits = WireFormatLite::EncodeDouble(value);
    uint8_t bytes[8];
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<uint8_t>(bits >> 8 * i);
    out_.Bytes(bytes, sizeof bytes);
    out_.Tag(number, WireFormatLite::WIRETYPE_FIXED64);
  }

  BackWriter& out_;
};

// runtime.Unknown, with views into the body.
struct Envelope {
  std::string_view api_version, kind, raw, content_encoding, content_type;
};

// Calls field(number, bytes) for each length-delimited field of `data` and passes over the others.
template <typename F>
bool ForEachField(std::string_view data, F field) {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(data.data()),
                                            static_cast<int>(data.size()));
  while (uint32_t tag = in.ReadTag()) {
    if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(&in, tag)) return false;
      continue;
    }
    uint32_t length = 0;
    if (!in.ReadVarint32(&length)) return false;
    size_t from = static_cast<size_t>(in.CurrentPosition());
    if (length > data.size() - from || !in.Skip(static_cast<int>(length))) return false;
    if (!field(WireFormatLite::GetTagFieldNumber(tag), data.substr(from, length))) return false;
  }
  return in.ConsumedEntireMessage() && static_cast<size_t>(in.CurrentPosition()) == data.size();
}

absl::StatusOr<Envelope> Open(std::string_view body) {
  if (body.size() > static_cast<size_t>(std::numeric_limits<int>::max())) {
    return absl::InvalidArgumentError("protobuf body over 2 GiB");
  }
  if (body.substr(0, kMagic.size()) != kMagic)
    return absl::InvalidArgumentError("protobuf body without the k8s magic bytes");
  if (body.size() == kMagic.size())
    return absl::InvalidArgumentError("protobuf body is empty after its magic bytes");
  Envelope envelope;
  auto type_meta = [&envelope](int number, std::string_view value) {
    if (number == 1) envelope.api_version = value;
    if (number == 2) envelope.kind = value;
    return true;
  };
  bool ok = ForEachField(body.substr(kMagic.size()), [&](int number, std::string_view value) {
    if (number == 2) envelope.raw = value;
    if (number == 3) envelope.content_encoding = value;
    if (number == 4) envelope.content_type = value;
    return number != 1 || ForEachField(value, type_meta);
  });
  if (!ok) return absl::InvalidArgumentError("protobuf body has a damaged envelope");
  return envelope;
}

// The first quantity in `message` that is not one. Protobuf says nothing of their text.
absl::Status CheckQuantities(const Message& message, const MessagePlan& plan);

absl::Status CheckField(const Message& message, const FieldPlan& field) {
  const Reflection* reflection = message.GetReflection();
  auto check = [&](const Message& value, const std::string& at) {
    absl::Status status = CheckQuantities(value, *field.message);
    if (status.ok() || field.inlined) return status;
    std::string text = base::Message(status);
    bool direct = field.message->form == QUANTITY;
    return absl::InvalidArgumentError(field.name + at + (direct ? ": " : ".") + text);
  };
  if (field.map) {
    if (MapSize(message, field.field) == 0) return absl::OkStatus();
    for (const MapEntry& entry : SortedMap(message, field.field)) {
      RETURN_IF_ERROR(check(entry.value.GetMessageValue(), "[" + entry.key + "]"));
    }
  } else if (field.repeated) {
    for (int i = 0; i < reflection->FieldSize(message, field.field); ++i) {
      RETURN_IF_ERROR(check(reflection->GetRepeatedMessage(message, field.field, i),
                            "[" + std::to_string(i) + "]"));
    }
  } else if (reflection->HasField(message, field.field)) {
    return check(reflection->GetMessage(message, field.field), "");
  }
  return absl::OkStatus();
}

absl::Status CheckQuantities(const Message& message, const MessagePlan& plan) {
  if (plan.form == QUANTITY) {
    std::string scratch;
    const std::string& text =
        message.GetReflection()->GetStringReference(message, plan.fields[0].field, &scratch);
    if (text.empty() || IsPlainlyCanonicalQuantity(text)) return absl::OkStatus();
    return Quantity::Parse(text).status();
  }
  for (const FieldPlan& field : plan.fields) {
    if (field.message != nullptr && field.message->quantities)
      RETURN_IF_ERROR(CheckField(message, field));
  }
  return absl::OkStatus();
}

}  // namespace

std::string EncodeProtobuf(const Message& message) {
  const MessagePlan& plan = PlanOf(message.GetDescriptor());
  BackWriter out;
  out.BytesField(4, "");
  out.BytesField(3, "");
  size_t before = out.size();
  Writer(out).Value(message, plan);
  out.Close(2, out.size() - before);
  before = out.size();
  out.BytesField(2, plan.type_meta ? plan.kind : "");
  out.BytesField(1, plan.api_version == "*" ? "v1" : plan.api_version);
  out.Close(1, out.size() - before);
  out.Bytes(kMagic.data(), kMagic.size());
  return out.Take();
}

absl::Status DecodeProtobuf(std::string_view body, Message& out) {
  out.Clear();
  absl::StatusOr<Envelope> envelope = Open(body);
  if (!envelope.ok()) return envelope.status();
  if (!envelope->content_encoding.empty() || !envelope->content_type.empty()) {
    return absl::InvalidArgumentError("protobuf body holds " + std::string(envelope->content_type) +
                                      " " + std::string(envelope->content_encoding) +
                                      " instead of a message");
  }
  const MessagePlan& plan = PlanOf(out.GetDescriptor());
  auto check = [](std::string_view got, const std::string& wanted, const char* what) {
    if (got.empty() || wanted == "*" || got == wanted) return absl::OkStatus();
    return absl::InvalidArgumentError(std::string(what) + ": expected \"" + wanted + "\", got \"" +
                                      std::string(got) + "\"");
  };
  if (plan.type_meta) {
    RETURN_IF_ERROR(check(envelope->kind, plan.kind, "kind"));
    RETURN_IF_ERROR(check(envelope->api_version, plan.api_version, "apiVersion"));
  }
  if (!out.ParseFromArray(envelope->raw.data(), static_cast<int>(envelope->raw.size()))) {
    out.Clear();
    return absl::InvalidArgumentError("protobuf body does not parse as " + out.GetTypeName());
  }
  if (!plan.quantities) return absl::OkStatus();
  absl::Status status = CheckQuantities(out, plan);
  if (!status.ok()) out.Clear();
  return status;
}

absl::StatusOr<TypeMeta> PeekProtobufTypeMeta(std::string_view body) {
  absl::StatusOr<Envelope> envelope = Open(body);
  if (!envelope.ok()) return envelope.status();
  return TypeMeta{std::string(envelope->api_version), std::string(envelope->kind)};
}

}  // namespace kubelet::api
