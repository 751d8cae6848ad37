#include "config/help.h"

#include <algorithm>

#include "config/defaults.h"
#include "config/field_path.h"
#include "config/flag_table.h"
#include "config/text.h"

namespace kubelet::config {
namespace {

constexpr size_t kWidth = 100;
constexpr size_t kTextColumn = 12;

// Visits the target as what help shows of it.
std::string MemberText(const FlagSpec& spec) {
  const Flags defaults;
  if (auto* text = std::get_if<std::string Flags::*>(&spec.target)) return defaults.*(*text);
  if (auto* boolean = std::get_if<bool Flags::*>(&spec.target))
    return defaults.*(*boolean) ? "true" : "";
  if (auto* number = std::get_if<int32_t Flags::*>(&spec.target))
    return std::to_string(defaults.*(*number));
  if (auto* time = std::get_if<base::Nanos Flags::*>(&spec.target))
    return base::GoDuration(defaults.*(*time));
  return spec.default_text;
}

std::string DefaultText(const FlagSpec& spec) {
  std::string text = ShownDefault(spec);
  if (text.empty()) return "";
  return " (default " + (spec.type == FlagType::kString ? Quote(text) : text) + ")";
}

std::string DeprecationText(const FlagSpec& spec) {
  std::string reason = Deprecation(spec);
  return reason.empty() ? "" : " (DEPRECATED: " + reason + ")";
}

void AddWrapped(const std::string& text, std::string& out) {
  std::string indent(kTextColumn, ' ');
  std::string line = indent;
  for (const std::string& word : Split(text, ' ')) {
    if (line.size() > indent.size() && line.size() + 1 + word.size() > kWidth) {
      out += line + "\n";
      line = indent;
    }
    line += (line.size() > indent.size() ? " " : "") + word;
  }
  out += line + "\n";
}

void AddFlag(const FlagSpec& spec, std::string& out) {
  std::string type = TypeName(spec.type);
  std::string shorthand =
      spec.shorthand == 0 ? "      " : std::string("  -") + spec.shorthand + ", ";
  bool attached = !type.empty() && spec.type == FlagType::kVersion;
  out += shorthand + "--" + spec.name + (type.empty() || attached ? "" : " ") +
         (attached ? "[=true]" : type) + "\n";
  AddWrapped(spec.help + DefaultText(spec) + DeprecationText(spec), out);
}

}  // namespace

const std::vector<FlagGroupTitle>& FlagGroupTitles() {
  static const auto* titles = new std::vector<FlagGroupTitle>{
      {FlagGroup::kStart, "Start"},
      {FlagGroup::kSources, "Static pods"},
      {FlagGroup::kNode, "Node"},
      {FlagGroup::kRuntime, "Container runtime, images, network and volumes of pods"},
      {FlagGroup::kResources, "Cgroups and resource managers"},
      {FlagGroup::kEviction, "Eviction"},
      {FlagGroup::kServer, "Servers, authentication and the API client"},
      {FlagGroup::kLogging, "Logging"},
      {FlagGroup::kLegacy, "Container statistics"},
  };
  return *titles;
}

std::string ShownDefault(const FlagSpec& spec) {
  static const auto* config = new v1beta1::KubeletConfiguration(LegacyDefaults());
  std::string text;
  if (const char* const* path = std::get_if<const char*>(&spec.target)) {
    FieldRef ref = FindField(*config, *path);
    if (!IsUnset(ref)) text = FieldText(ref);
  } else {
    text = MemberText(spec);
  }
  bool zero = text.empty() || text == "0" || text == "0s" || text == "false";
  return zero ? "" : text;
}

std::string UsageText() {
  return "Usage:\n  kubelet [flags]\n  kubelet config check FILE...\n\nkubelet --help lists the "
         "flags.\n";
}

std::string HelpText() {
  std::string out =
      "kubelet " + OwnVersion() +
      "\n\nThe node agent of Kubernetes: runs the pods of its node through a container runtime. "
      "Pods come from\n"
      "files and a URL.\n\nUsage:\n  kubelet [flags]\n  kubelet config check FILE...\n";
  for (const FlagGroupTitle& group : FlagGroupTitles()) {
    out += std::string("\n") + group.title + ":\n";
    for (const FlagSpec* spec : AllFlags()) {
      if (spec->group == group.group) AddFlag(*spec, out);
    }
  }
  return out;
}

}  // namespace kubelet::config
