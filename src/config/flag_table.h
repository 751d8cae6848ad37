// Every flag as data: the one table behind parsing, help, precedence and the names in error
// messages.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "kubelet/config/flags.h"

namespace kubelet::config {

// How the value is written. The first four are scalars; see flag_value.h for the rest.
enum class FlagType {
  kString,
  kBool,  // alone means true
  kInt32,
  kInt64,
  kDuration,
  kLevel,  // 0 to 2^31-1
  kIp,
  kQuantity,
  kStrings,                 // a,"b,c": the first use replaces the default, later ones append
  kMapStringBool,           // k=true,…
  kMapStringString,         // k=v,…
  kMapStringStringNoSplit,  // one k=v for each use; the value may hold commas
  kMapLangle,               // k<v,…
  kMultimapColon,           // name:value,…
  kLabels,                  // k=v or k
  kTaints,                  // key=value:effect,…
  kReservedMemory,          // 0:memory=1Gi,hugepages-2Mi=1Gi;1:…
  kVModule,                 // pattern=N,…
  kVersion,                 // true, false, raw, vX.Y.Z
  kHelp,
};

enum class FlagGroup {
  kStart,
  kSources,
  kServer,
  kRuntime,
  kNode,
  kResources,
  kEviction,
  kLogging,
  kLegacy
};
enum class FlagStatus { kCurrent, kUseConfigFile, kUseEviction, kToBeRemoved, kCadvisor };

// Where the value goes: nowhere, the JSON path of a configuration field, or a member of Flags.
using FlagTarget =
    std::variant<std::monostate, const char*, std::string Flags::*, bool Flags::*, int32_t Flags::*,
                 base::Nanos Flags::*, std::map<std::string, std::string> Flags::*>;

struct FlagSpec {
  const char* name;
  char shorthand;  // 0 for none
  FlagType type;
  FlagGroup group;
  FlagStatus status;
  FlagTarget target;
  const char* default_text;  // only where there is no target to read it from
  const char* help;
};

// The pieces, and all of them sorted by name.
const std::vector<FlagSpec>& StartFlags();
const std::vector<FlagSpec>& ServerFlags();
const std::vector<FlagSpec>& PodFlags();
const std::vector<FlagSpec>& ResourceFlags();
const std::vector<FlagSpec>& LegacyFlags();
const std::vector<FlagSpec>& OwnFlags();  // additions of this program: upstream has none of them
const std::vector<const FlagSpec*>& AllFlags();

// By name, with `_` counting as `-`; nullptr for unknown.
const FlagSpec* FindFlag(const std::string& name);
const FlagSpec* FindShorthand(char c);
// The flag that writes this configuration field, or nullptr.
const FlagSpec* FlagOfField(const std::string& path);

// Whether the flag stands for a value of its own when none follows, and which.
const char* ImpliedValue(const FlagSpec& spec);
// What follows `--name` in help: string, int32, duration …
const char* TypeName(FlagType type);
// Text after `has been deprecated, `; empty for current flags.
std::string Deprecation(const FlagSpec& spec);

}  // namespace kubelet::config
