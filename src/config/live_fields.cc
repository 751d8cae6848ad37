// What every flag stands at, whether it was given or not.
#include "kubelet/config/live_fields.h"

#include "config/field_path.h"
#include "config/flag_table.h"

namespace kubelet::config {
namespace {

using v1beta1::KubeletConfiguration;

struct TextOf {
  const LoadedConfig& loaded;
  std::string operator()(std::monostate) const { return ""; }
  std::string operator()(const char* path) const {
    FieldRef ref = FindField(loaded.kubelet, path);
    return ref ? FieldText(ref) : "";
  }
  std::string operator()(std::string Flags::*member) const { return loaded.flags.*member; }
  std::string operator()(bool Flags::*member) const {
    return loaded.flags.*member ? "true" : "false";
  }
  std::string operator()(int32_t Flags::*member) const {
    return std::to_string(loaded.flags.*member);
  }
  std::string operator()(base::Nanos Flags::*member) const {
    return base::GoDuration(loaded.flags.*member);
  }
  std::string operator()(std::map<std::string, std::string> Flags::*member) const {
    std::string out;
    for (const auto& [key, value] : loaded.flags.*member)
      out += (out.empty() ? "" : ",") + key + "=" + value;
    return out;
  }
};

}  // namespace

std::map<std::string, std::string> FlagValues(const LoadedConfig& loaded) {
  LoadedConfig masked = loaded;
  MaskSecrets(masked.kubelet);
  std::map<std::string, std::string> out;
  for (const FlagSpec* spec : AllFlags()) {
    std::string text = std::visit(TextOf{masked}, spec->target);
    bool none = std::holds_alternative<std::monostate>(spec->target);
    if (none && spec->default_text != nullptr) text = spec->default_text;
    out[spec->name] = text;
  }
  return out;
}

std::vector<std::string> ChangedFields(const KubeletConfiguration& a,
                                       const KubeletConfiguration& b) {
  std::vector<std::string> out;
  for (const std::string& path : LeafPaths())
    if (!SameValue(a, b, path)) out.push_back(path);
  return out;
}

void CopyField(const KubeletConfiguration& from, KubeletConfiguration& to,
               const std::string& path) {
  FieldRef source = FindField(from, path);
  MutableFieldRef target = MutableField(to, path);
  if (!source || !target) return;
  std::unique_ptr<google::protobuf::Message> copy(source.message->New());
  copy->CopyFrom(*source.message);
  target.message->GetReflection()->SwapFields(copy.get(), target.message, {target.field});
}

}  // namespace kubelet::config
