#include "config/flag_value.h"

#include "config/field_path.h"
#include "config/text.h"
#include "config/version.h"
#include "kubelet/api/quantity.h"
#include "kubelet/api/time.h"
#include "kubelet/base/status.h"

namespace kubelet::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// The entry of `key` in a string-keyed map, added when it is not there.
Message* MapEntry(MutableFieldRef ref, const std::string& key) {
  const Reflection* reflection = ref.message->GetReflection();
  const FieldDescriptor* key_field = ref.field->message_type()->map_key();
  for (int i = 0; i < reflection->FieldSize(*ref.message, ref.field); ++i) {
    Message* entry = reflection->MutableRepeatedMessage(ref.message, ref.field, i);
    if (entry->GetReflection()->GetString(*entry, key_field) == key) return entry;
  }
  Message* entry = reflection->AddMessage(ref.message, ref.field);
  entry->GetReflection()->SetString(entry, key_field, key);
  return entry;
}

absl::Status PutPair(MutableFieldRef ref, const std::string& key, const std::string& value) {
  Message* entry = MapEntry(ref, key);
  const FieldDescriptor* value_field = ref.field->message_type()->map_value();
  if (value_field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    entry->GetReflection()->SetString(entry, value_field, value);
    return absl::OkStatus();
  }
  absl::StatusOr<bool> parsed = ParseBool(value);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError("invalid value of " + key + ": " + value +
                                      ", err: " + base::Message(parsed.status()));
  }
  entry->GetReflection()->SetBool(entry, value_field, *parsed);
  return absl::OkStatus();
}

std::vector<std::string> NonEmptyParts(const std::string& value) {
  std::vector<std::string> parts;
  for (std::string& part : Split(value, ',')) {
    if (!part.empty()) parts.push_back(std::move(part));
  }
  return parts;
}

// What each kind of map splits at, and how its error names a pair.
struct PairForm {
  char separator;
  const char* expected;
};
PairForm FormOf(FlagType type) {
  if (type == FlagType::kMapLangle) return {'<', "string<string"};
  if (type == FlagType::kMapStringBool) return {'=', "string=bool"};
  return {'=', "string=string"};
}

absl::Status CheckScalar(FlagType type, const std::string& value) {
  switch (type) {
    case FlagType::kBool:
      return ParseBool(value).status();
    case FlagType::kInt32:
      return ParseInt(value, 32).status();
    case FlagType::kDuration:
      return api::ParseGoDuration(value).status();
    default:
      return absl::OkStatus();
  }
}

void PutLabels(const std::string& value, std::map<std::string, std::string>& labels) {
  for (const std::string& part : NonEmptyParts(value)) {
    std::vector<std::string> pair = SplitFirst(part, '=');
    labels[Trim(pair[0])] = pair.size() == 2 ? Trim(pair[1]) : "";
  }
}

}  // namespace

absl::Status FlagWriter::Write(const FlagSpec& spec, const std::string& value) {
  bool first = given_.insert(&spec).second;
  if (spec.type == FlagType::kVersion) return WriteVersion(value);
  if (spec.type == FlagType::kHelp) return ParseBool(value).status();
  if (const char* const* path = std::get_if<const char*>(&spec.target)) {
    return WriteField(spec, *path, value, first);
  }
  return WriteMember(spec, value);
}

absl::Status FlagWriter::WriteMember(const FlagSpec& spec, const std::string& value) {
  RETURN_IF_ERROR(CheckScalar(spec.type, value));
  if (auto* text = std::get_if<std::string Flags::*>(&spec.target)) {
    flags_.*(*text) = value;
  } else if (auto* boolean = std::get_if<bool Flags::*>(&spec.target)) {
    flags_.*(*boolean) = *ParseBool(value);
  } else if (auto* number = std::get_if<int32_t Flags::*>(&spec.target)) {
    flags_.*(*number) = static_cast<int32_t>(*ParseInt(value, 32));
  } else if (auto* duration = std::get_if<base::Nanos Flags::*>(&spec.target)) {
    flags_.*(*duration) = *api::ParseGoDuration(value);
  } else if (auto* labels =
                 std::get_if<std::map<std::string, std::string> Flags::*>(&spec.target)) {
    PutLabels(value, flags_.*(*labels));
  }
  return absl::OkStatus();
}

absl::Status FlagWriter::WriteField(const FlagSpec& spec, const std::string& path,
                                    const std::string& value, bool first) {
  switch (spec.type) {
    case FlagType::kStrings:
      return WriteStrings(path, value, first);
    case FlagType::kMapStringBool:
    case FlagType::kMapStringString:
    case FlagType::kMapStringStringNoSplit:
    case FlagType::kMapLangle:
      return WriteMap(spec, path, value, first);
    case FlagType::kMultimapColon:
      return WriteHeaders(config_, value, first);
    case FlagType::kTaints:
      return WriteTaints(config_, value);
    case FlagType::kReservedMemory:
      return WriteReservedMemory(config_, value, first);
    case FlagType::kVModule:
      return WriteVModule(config_, value);
    case FlagType::kIp:
      // Upstream leaves the field alone for an empty address.
      if (value.empty()) return absl::OkStatus();
      if (ParseIp(value) == IpFamily::kNone) {
        return absl::InvalidArgumentError(Quote(value) + " is not a valid IP address");
      }
      break;
    case FlagType::kQuantity: {
      ASSIGN_OR_RETURN(api::Quantity quantity, api::Quantity::Parse(value));
      MutableFieldRef ref = MutableField(config_, path);
      Message* holder = ref.message->GetReflection()->MutableMessage(ref.message, ref.field);
      return SetScalar({holder, ref.field->message_type()->field(0)}, quantity.ToString());
    }
    default:
      break;
  }
  return SetScalar(MutableField(config_, path), value);
}

absl::Status FlagWriter::WriteStrings(const std::string& path, const std::string& value,
                                      bool first) {
  ASSIGN_OR_RETURN(std::vector<std::string> items, ParseCsv(value));
  MutableFieldRef ref = MutableField(config_, path);
  const Reflection* reflection = ref.message->GetReflection();
  if (first) reflection->ClearField(ref.message, ref.field);
  for (const std::string& item : items) reflection->AddString(ref.message, ref.field, item);
  return absl::OkStatus();
}

absl::Status FlagWriter::WriteMap(const FlagSpec& spec, const std::string& path,
                                  const std::string& value, bool first) {
  MutableFieldRef ref = MutableField(config_, path);
  if (first) ref.message->GetReflection()->ClearField(ref.message, ref.field);
  bool whole = spec.type == FlagType::kMapStringStringNoSplit;
  PairForm form = FormOf(spec.type);
  for (const std::string& part : whole ? std::vector<std::string>{value} : NonEmptyParts(value)) {
    std::vector<std::string> pair = SplitFirst(part, form.separator);
    if (pair.size() != 2) {
      return absl::InvalidArgumentError(std::string("malformed pair, expect ") + form.expected);
    }
    RETURN_IF_ERROR(PutPair(ref, Trim(pair[0]), Trim(pair[1])));
  }
  return absl::OkStatus();
}

absl::Status FlagWriter::WriteVersion(const std::string& value) {
  if (value == "raw") return absl::OkStatus();
  if (value.empty() || value[0] != 'v') return ParseBool(value).status();
  RETURN_IF_ERROR(CheckReportedVersion(value));
  flags_.reported_version = value;
  return absl::OkStatus();
}

}  // namespace kubelet::config
