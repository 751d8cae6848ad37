// pflag's reading of an argument list.
#include "config/defaults.h"
#include "config/flag_table.h"
#include "config/flag_value.h"
#include "config/text.h"
#include "config/version.h"
#include "kubelet/base/status.h"

namespace kubelet::config {
namespace {

absl::Status Invalid(const std::string& message) { return absl::InvalidArgumentError(message); }

class Parser {
 public:
  explicit Parser(const std::vector<std::string>& args) : args_(args), config_(LegacyDefaults()) {}

  absl::StatusOr<CommandLine> Parse() {
    std::vector<std::string> rest;
    while (next_ < args_.size()) {
      const std::string& arg = args_[next_++];
      if (arg == "--") break;
      if (arg.size() < 2 || arg[0] != '-') {
        rest.push_back(arg);
      } else if (arg[1] == '-') {
        RETURN_IF_ERROR(ReadLong(arg));
      } else {
        RETURN_IF_ERROR(ReadShorts(arg.substr(1)));
      }
    }
    rest.insert(rest.end(), args_.begin() + static_cast<std::ptrdiff_t>(next_), args_.end());
    if (!rest.empty()) return Invalid("unknown command " + rest[0]);
    return std::move(line_);
  }

 private:
  absl::Status ReadLong(const std::string& arg) {
    std::string text = arg.substr(2);
    if (text[0] == '-' || text[0] == '=') return Invalid("bad flag syntax: " + arg);
    std::vector<std::string> parts = SplitFirst(text, '=');
    const FlagSpec* spec = FindFlag(parts[0]);
    if (spec == nullptr) return Invalid("unknown flag: --" + parts[0]);
    if (parts.size() == 2) return Set(*spec, parts[1]);
    if (const char* implied = ImpliedValue(*spec)) return Set(*spec, implied);
    if (next_ < args_.size()) return Set(*spec, args_[next_++]);
    return Invalid("flag needs an argument: --" + parts[0]);
  }

  // -v2, -v=2, -v 2, and flags without a value one after the other: -hv2.
  absl::Status ReadShorts(const std::string& all) {
    for (std::string shorts = all; !shorts.empty();) {
      const FlagSpec* spec = FindShorthand(shorts[0]);
      if (spec == nullptr) {
        return Invalid("unknown shorthand flag: '" + shorts.substr(0, 1) + "' in -" + shorts);
      }
      if (shorts.size() > 2 && shorts[1] == '=') return Set(*spec, shorts.substr(2));
      if (const char* implied = ImpliedValue(*spec)) {
        RETURN_IF_ERROR(Set(*spec, implied));
        shorts.erase(0, 1);
        continue;
      }
      if (shorts.size() > 1) return Set(*spec, shorts.substr(1));
      if (next_ < args_.size()) return Set(*spec, args_[next_++]);
      return Invalid("flag needs an argument: '" + shorts + "' in -" + shorts);
    }
    return absl::OkStatus();
  }

  // Writing into throw-away targets is the check of the value.
  absl::Status Set(const FlagSpec& spec, const std::string& value) {
    if (absl::Status status = writer_.Write(spec, value); !status.ok()) {
      std::string name = std::string("--") + spec.name;
      if (spec.shorthand != 0) name = std::string("-") + spec.shorthand + ", " + name;
      return Invalid("invalid argument " + Quote(value) + " for " + Quote(name) +
                     " flag: " + base::Message(status));
    }
    if (spec.type == FlagType::kHelp) line_.help = *ParseBool(value);
    if (spec.type == FlagType::kVersion) NoteVersion(value);
    if (std::string reason = Deprecation(spec); !reason.empty()) {
      line_.deprecations.push_back(std::string("Flag --") + spec.name + " has been deprecated, " +
                                   reason);
    }
    line_.settings.push_back({&spec, value});
    return absl::OkStatus();
  }

  void NoteVersion(const std::string& value) {
    bool raw = value == "raw";
    absl::StatusOr<bool> wanted = ParseBool(value);
    line_.version =
        raw || (wanted.ok() && *wanted) ? VersionLine(flags_.reported_version, raw) : "";
  }

  const std::vector<std::string>& args_;
  size_t next_ = 0;
  Flags flags_;
  v1beta1::KubeletConfiguration config_;
  FlagWriter writer_{flags_, config_};
  CommandLine line_;
};

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& args) {
  return Parser(args).Parse();
}

}  // namespace kubelet::config
