#include "source/go_dump.h"

#include <google/protobuf/message.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "kubelet/api/options.pb.h"
#include "kubelet/api/time.h"
#include "source/go_quantity.h"
#include "source/go_types.h"
#include "source/json_cut.h"

namespace kubelet::source {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr int64_t kSecondsToYear1 = 62'135'596'800;
constexpr char kUtcLocation[] =
    "{name:(string)Local zone:([]time.zone)[{name:(string)UTC offset:(int)0 isDST:(bool)false}] "
    "tx:([]time.zoneTrans)[{when:(int64)-9223372036854775808 index:(uint8)0 isstd:(bool)false "
    "isutc:(bool)false}] extend:(string)UTC0 cacheStart:(int64)-9223372036854775808 "
    "cacheEnd:(int64)9223372036854775807 cacheZone:(*time.zone){name:(string)UTC offset:(int)0 "
    "isDST:(bool)false}}";

// JSON members of one object, read once.
class Members {
 public:
  explicit Members(std::string_view object) {
    auto members = JsonMembers(object);
    if (members) members_ = *std::move(members);
  }
  std::string_view operator[](std::string_view key) const {
    for (const auto& [name, value] : members_) {
      if (name == key) return value;
    }
    return {};
  }

 private:
  std::vector<std::pair<std::string_view, std::string_view>> members_;
};

const FieldDescriptor* FindField(const Message& message, const GoField& field) {
  const auto& descriptor = *message.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor* f = descriptor.field(i);
    bool inlined = f->options().GetExtension(api::inlined);
    if (field.inlined ? inlined : !inlined && f->json_name() == field.key) return f;
  }
  return nullptr;
}

// A list or map that is empty: written as such, or absent.
bool Written(std::string_view json) {
  return !json.empty() && (json.front() == '[' || json.front() == '{');
}

std::string DumpQuantity(const Message& message, std::string_view json) {
  const auto& quantity = static_cast<const api::resource::Quantity&>(message);
  std::string text = JsonPlainString(json);
  if (text.empty()) text = json.empty() ? quantity.string() : std::string(json);
  size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string::npos) return GoQuantity().Dump();
  text = text.substr(start, text.find_last_not_of(" \t\r\n") + 1 - start);
  return GoQuantity::Parse(text).value_or(GoQuantity()).Dump();
}

std::string DumpIntOrString(const Message& message) {
  const auto& value = static_cast<const api::intstr::IntOrString&>(message);
  return "{Type:(intstr.Type)" + std::to_string(value.type()) + " IntVal:(int32)" +
         std::to_string(value.int_val()) + " StrVal:(string)" + value.str_val() + "}";
}

std::string DumpRaw(std::string_view json) {
  std::string out = "{Raw:([]uint8)";
  for (size_t i = 0; i < json.size(); ++i)
    out += (i == 0 ? "[" : " ") + std::to_string(static_cast<unsigned char>(json[i]));
  return out + (json.empty() ? "<nil>}" : "]}");
}

std::string DumpResources(const GoResources& resources) {
  if (!resources) return "<nil>";
  std::string out = "map[";
  for (const auto& [name, quantity] : *resources) {
    if (out.back() != '[') out += ' ';
    out += name + ":" + quantity.Dump();
  }
  return out + "]";
}

// A printer that remembers where it was: Go's marks a pointer as `<shown>` that it met before on a
// level above and has not passed another pointer on that level or higher since. Only the time zone
// is pointed to twice.
class Dumper {
 public:
  Dumper(const api::core::Pod& pod, std::string_view json)
      : pod_(pod), spec_json_(JsonMember(json, "spec").value_or(std::string_view())) {
    out_ = "(*core.Pod)";
    Struct("core.Pod", pod, json, "");
  }
  std::string Take() { return std::move(out_); }

 private:
  // `owner`: the struct that has it; it decides how resources were defaulted.
  void Struct(std::string_view type, const Message& message, std::string_view json,
              std::string_view owner) {
    if (type == "v1.TypeMeta") {
      out_ += "{Kind:(string) APIVersion:(string)}";
    } else if (type == "v1.Time") {
      Time(json);
    } else if (type == "resource.Quantity") {
      PassPointer(depth_ + 2);
      out_ += DumpQuantity(message, json);
    } else if (type == "intstr.IntOrString") {
      out_ += DumpIntOrString(message);
    } else if (type == "v1.FieldsV1") {
      out_ += DumpRaw(json);
    } else if (type == "core.ResourceRequirements") {
      Requirements(message, json, owner);
    } else {
      Fields(type, message, json);
    }
  }

  void PassPointer(int depth) {
    if (location_depth_ >= depth) location_depth_ = kNowhere;
  }

  void Time(std::string_view json) {
    auto time = api::ParseRfc3339(JsonPlainString(json));
    int depth = depth_ + 2;
    PassPointer(depth);
    out_ += "{Time:(time.Time){wall:(uint64)" + std::to_string(time.ok() ? time->nanos : 0);
    out_ += " ext:(int64)" + std::to_string(time.ok() ? time->seconds + kSecondsToYear1 : 0);
    out_ += " loc:(*time.Location)";
    if (!time.ok()) {
      out_ += "<nil>";
    } else if (location_depth_ != kNowhere) {
      out_ += "<shown>";
    } else {
      out_ += kUtcLocation;
      location_depth_ = depth;
    }
    out_ += "}}";
  }

  void Resources(const GoResources& resources) {
    out_ += DumpResources(resources);
    if (resources && !resources->empty()) PassPointer(depth_ + 3);
  }

  void Fields(std::string_view type, const Message& message, std::string_view json) {
    Members members(json);
    out_ += '{';
    ++depth_;
    auto fields = types_.Fields(type);
    for (const GoField& field : fields.value_or(std::vector<GoField>())) {
      if (out_.back() != '{') out_ += ' ';
      Field(field, field.of_spec ? pod_.spec() : message, field.inlined ? json : members[field.key],
            type);
    }
    --depth_;
    out_ += '}';
  }

  void Requirements(const Message& message, std::string_view json, std::string_view owner) {
    GoRequirements values = owner == "core.PodSpec"     ? PodRequirements(spec_json_)
                            : owner == "core.Container" ? ContainerRequirements(json)
                                                        : PlainRequirements(json);
    ++depth_;
    out_ += "{Limits:(core.ResourceList)";
    Resources(values.limits);
    out_ += " Requests:(core.ResourceList)";
    Resources(values.requests);
    out_ += ' ';
    GoField claims;
    claims.name = "Claims";
    claims.type = "[]core.ResourceClaim";
    claims.key = "claims";
    Field(claims, message, JsonMember(json, "claims").value_or(std::string_view()), "");
    --depth_;
    out_ += '}';
  }

  void Field(const GoField& field, const Message& message, std::string_view json,
             std::string_view owner) {
    out_ += field.name;
    out_ += ":(";
    out_ += field.type;
    out_ += ')';
    if (field.type == "core.ResourceList") {
      GoRequirements only;
      only.limits = ReadResources(json);
      if (only.limits) {
        for (auto& [name, quantity] : *only.limits) quantity.RoundUpToMilli();
      }
      Resources(only.limits);
      return;
    }
    const FieldDescriptor* f = FindField(message, field);
    if (field.type.starts_with("map[")) {
      Map(field, message, f, json);
    } else if (field.type.starts_with("[]")) {
      List(field, message, f, json);
    } else if (field.type.front() == '*') {
      PassPointer(depth_);
      if (f == nullptr || !message.GetReflection()->HasField(message, f)) {
        out_ += "<nil>";
      } else {
        Value(field.type.substr(1), message, f, json, owner);
      }
    } else {
      Value(field.type, message, f, json, owner);
    }
  }

  void Value(std::string_view type, const Message& m, const FieldDescriptor* f,
             std::string_view json, std::string_view owner) {
    if (f == nullptr) {
      Struct(type, m, json, owner);  // a type whose inside does not come from the message
      return;
    }
    const auto& r = *m.GetReflection();
    switch (f->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        Struct(type, r.GetMessage(m, f), json, owner);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        out_ += r.GetBool(m, f) ? "true" : "false";
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        out_ += std::to_string(r.GetInt32(m, f));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        out_ += std::to_string(r.GetInt64(m, f));
        break;
      default:
        out_ += r.GetString(m, f);
    }
  }

  void List(const GoField& field, const Message& m, const FieldDescriptor* f,
            std::string_view json) {
    const auto& r = *m.GetReflection();
    int size = f == nullptr ? 0 : r.FieldSize(m, f);
    if (size == 0) {
      out_ += Written(json) ? "[]" : "<nil>";
      return;
    }
    auto elements = JsonElements(json);
    ++depth_;
    for (int i = 0; i < size; ++i) {
      out_ += i == 0 ? '[' : ' ';
      std::string_view element;
      if (elements && static_cast<size_t>(i) < elements->size()) element = (*elements)[i];
      if (f->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        Struct(field.type.substr(2), r.GetRepeatedMessage(m, f, i), element, "");
      } else if (f->cpp_type() == FieldDescriptor::CPPTYPE_INT32) {
        out_ += std::to_string(r.GetRepeatedInt32(m, f, i));
      } else if (f->cpp_type() == FieldDescriptor::CPPTYPE_INT64) {
        out_ += std::to_string(r.GetRepeatedInt64(m, f, i));
      } else {
        out_ += r.GetRepeatedString(m, f, i);
      }
    }
    --depth_;
    out_ += ']';
  }

  // Maps of strings, and of quantities that are not defaulted.
  void Map(const GoField& field, const Message& m, const FieldDescriptor* f,
           std::string_view json) {
    const auto& r = *m.GetReflection();
    if (f == nullptr || r.FieldSize(m, f) == 0) {
      out_ += Written(json) ? "map[]" : "<nil>";
      return;
    }
    Members members(json);
    bool strings = field.type.ends_with("]string");
    std::vector<std::pair<std::string, std::string>> entries;
    for (int i = 0; i < r.FieldSize(m, f); ++i) {
      const Message& entry = r.GetRepeatedMessage(m, f, i);
      const auto& e = *entry.GetReflection();
      const auto* value = entry.GetDescriptor()->map_value();
      std::string key = e.GetString(entry, entry.GetDescriptor()->map_key());
      entries.emplace_back(key, strings ? e.GetString(entry, value)
                                        : DumpQuantity(e.GetMessage(entry, value), members[key]));
    }
    if (!strings) PassPointer(depth_ + 3);
    std::sort(entries.begin(), entries.end());
    out_ += "map[";
    for (const auto& [key, value] : entries) {
      if (&key != &entries.front().first) out_ += ' ';
      out_ += key + ":" + value;
    }
    out_ += ']';
  }

  GoTypes types_;
  const api::core::Pod& pod_;
  std::string_view spec_json_;
  std::string out_;
  static constexpr int kNowhere = -1;
  int depth_ = 0;
  int location_depth_ = kNowhere;  // level on which the time zone was printed
};

constexpr std::array kDroppedAnnotations = {"pod.beta.kubernetes.io/init-containers",
                                            "pod.alpha.kubernetes.io/init-containers",
                                            "pod.beta.kubernetes.io/init-container-statuses",
                                            "pod.alpha.kubernetes.io/init-container-statuses"};

// What the conversion from v1 changes (pkg/apis/core/v1/conversion.go).
void Convert(api::core::Pod& pod) {
  auto& spec = *pod.mutable_spec();
  if (spec.service_account_name().empty()) spec.set_service_account_name(spec.service_account());
  if (spec.termination_grace_period_seconds() < 0) spec.set_termination_grace_period_seconds(1);
  for (const char* name : kDroppedAnnotations)
    pod.mutable_metadata()->mutable_annotations()->erase(name);
  auto& status = *pod.mutable_status();
  if (status.pod_ip().empty()) return;
  if (status.pod_ips_size() > 0 && status.pod_ips(0).ip() == status.pod_ip()) return;
  status.clear_pod_ips();
  status.add_pod_ips()->set_ip(status.pod_ip());
}

}  // namespace

std::string GoPodDump(const api::core::Pod& pod, std::string_view json) {
  api::core::Pod converted = pod;
  Convert(converted);
  return Dumper(converted, json).Take();
}

}  // namespace kubelet::source
