#include "config/flag_table.h"

#include <algorithm>
#include <map>

namespace kubelet::config {
namespace {

std::string Normalize(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

}  // namespace

const std::vector<const FlagSpec*>& AllFlags() {
  static const auto* flags = [] {
    auto* all = new std::vector<const FlagSpec*>;
    for (const auto* part :
         {&StartFlags(), &ServerFlags(), &PodFlags(), &ResourceFlags(), &LegacyFlags(),
          &OwnFlags()}) {
      for (const FlagSpec& spec : *part) all->push_back(&spec);
    }
    std::sort(all->begin(), all->end(),
              [](const FlagSpec* a, const FlagSpec* b) { return std::string(a->name) < b->name; });
    return all;
  }();
  return *flags;
}

const FlagSpec* FindFlag(const std::string& name) {
  static const auto* by_name = [] {
    auto* index = new std::map<std::string, const FlagSpec*>;
    for (const FlagSpec* spec : AllFlags()) (*index)[spec->name] = spec;
    return index;
  }();
  auto found = by_name->find(Normalize(name));
  return found == by_name->end() ? nullptr : found->second;
}

const FlagSpec* FindShorthand(char c) {
  for (const FlagSpec* spec : AllFlags()) {
    if (spec->shorthand != 0 && spec->shorthand == c) return spec;
  }
  return nullptr;
}

const FlagSpec* FlagOfField(const std::string& path) {
  for (const FlagSpec* spec : AllFlags()) {
    const char* const* target = std::get_if<const char*>(&spec->target);
    if (target != nullptr && path == *target) return spec;
  }
  return nullptr;
}

const char* ImpliedValue(const FlagSpec& spec) {
  bool implied = spec.type == FlagType::kBool || spec.type == FlagType::kVersion ||
                 spec.type == FlagType::kHelp;
  return implied ? "true" : nullptr;
}

const char* TypeName(FlagType type) {
  switch (type) {
    case FlagType::kString:
      return "string";
    case FlagType::kBool:
    case FlagType::kHelp:
      return "";
    case FlagType::kInt32:
      return "int32";
    case FlagType::kInt64:
      return "int64";
    case FlagType::kDuration:
      return "duration";
    case FlagType::kLevel:
      return "level";
    case FlagType::kIp:
      return "ip";
    case FlagType::kQuantity:
      return "quantity";
    case FlagType::kStrings:
      return "strings";
    case FlagType::kMapStringBool:
      return "name=bool,...";
    case FlagType::kMapStringString:
    case FlagType::kLabels:
      return "key=value,...";
    case FlagType::kMapStringStringNoSplit:
      return "key=value";
    case FlagType::kMapLangle:
      return "key<value,...";
    case FlagType::kMultimapColon:
      return "name:value,...";
    case FlagType::kTaints:
      return "key=value:effect,...";
    case FlagType::kReservedMemory:
      return "node:type=quantity,...";
    case FlagType::kVModule:
      return "pattern=N,...";
    case FlagType::kVersion:
      return "version[=true]";
  }
  return "";
}

std::string Deprecation(const FlagSpec& spec) {
  switch (spec.status) {
    case FlagStatus::kCurrent:
      return "";
    case FlagStatus::kUseConfigFile: {
      const char* const* path = std::get_if<const char*>(&spec.target);
      std::string field = path == nullptr ? "" : std::string(" as ") + *path;
      return "set it" + field + " in the configuration file given with --config.";
    }
    case FlagStatus::kUseEviction:
      return "use --eviction-hard or --eviction-soft. It will go in a future version.";
    case FlagStatus::kToBeRemoved:
      return "it will go in a future version.";
    case FlagStatus::kCadvisor:
      return "it has no effect and will go in a future version.";
  }
  return "";
}

}  // namespace kubelet::config
