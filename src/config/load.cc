#include <algorithm>
#include <utility>

#include "config/defaults.h"
#include "config/document.h"
#include "config/flag_value.h"
#include "config/text.h"
#include "config/validation.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/quantity.h"
#include "kubelet/base/status.h"
#include "kubelet/config/config.h"

namespace kubelet::config {
namespace {

using Gates = std::map<std::string, bool>;
using v1beta1::KubeletConfiguration;

bool EndsWith(const std::string& text, const std::string& suffix) {
  return text.size() >= suffix.size() &&
         text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

Gates GatesOf(const KubeletConfiguration& config) {
  return {config.feature_gates().begin(), config.feature_gates().end()};
}

// The values were checked by ParseCommandLine, so that writing them again cannot fail.
absl::Status ApplyFlags(const CommandLine& line, Flags& flags, KubeletConfiguration& config) {
  FlagWriter writer(flags, config);
  for (const FlagSetting& setting : line.settings)
    RETURN_IF_ERROR(writer.Write(*setting.spec, setting.value));
  return absl::OkStatus();
}

class Loader {
 public:
  Loader(const CommandLine& line, const FileReader& files) : line_(line), files_(files) {}

  absl::StatusOr<LoadedConfig> Load() {
    KubeletConfiguration flags_only;
    RETURN_IF_ERROR(ApplyFlags(line_, loaded_.flags, flags_only));
    flag_gates_ = GatesOf(flags_only);
    bool from_files = !loaded_.flags.config.empty() || !loaded_.flags.config_dir.empty();
    loaded_.kubelet = LegacyDefaults(flag_gates_);
    if (from_files) RETURN_IF_ERROR(LoadFiles());
    Gates file_gates = GatesOf(loaded_.kubelet);
    Flags again;
    RETURN_IF_ERROR(ApplyFlags(line_, again, loaded_.kubelet));
    // Gates merge by name, unlike other maps, where the flag replaces the field.
    for (const auto& [name, value] : file_gates)
      loaded_.kubelet.mutable_feature_gates()->insert({name, value});
    Normalize();
    RETURN_IF_ERROR(Validate());
    return std::move(loaded_);
  }

 private:
  absl::Status LoadFiles() {
    Document base;
    if (loaded_.flags.config.empty()) {
      SetDefaults(base.config, flag_gates_);
    } else {
      ASSIGN_OR_RETURN(base, LoadMain(files_.Absolute(loaded_.flags.config)));
    }
    if (!loaded_.flags.config_dir.empty()) RETURN_IF_ERROR(MergeDropIns(base));
    loaded_.kubelet = std::move(base.config);
    return absl::OkStatus();
  }

  absl::StatusOr<Document> LoadMain(const std::string& path) {
    ASSIGN_OR_RETURN(Document document, ReadFile(path));
    SetDocumentDefaults(document, flag_gates_);
    ResolvePaths(document.config, DirName(path));
    const JsonValue* eviction = document.json.Find("evictionHard");
    InjectEvictionHard(document.config, eviction != nullptr && !eviction->IsNull());
    return document;
  }

  absl::StatusOr<Document> ReadFile(const std::string& path) {
    ASSIGN_OR_RETURN(std::string text, files_.Read(path));
    absl::StatusOr<Document> document = ReadDocument(text);
    if (!document.ok()) return base::Annotate(document.status(), path);
    for (const std::string& problem : document->strict) {
      loaded_.warnings.push_back(path + ": " + problem + ": ignored, read leniently");
    }
    return document;
  }

  absl::Status MergeDropIns(Document& base) {
    ASSIGN_OR_RETURN(std::vector<std::string> paths, files_.Walk(loaded_.flags.config_dir));
    ASSIGN_OR_RETURN(JsonValue merged, ParseJson(api::EncodeJson(base.config)));
    for (const std::string& path : paths) {
      if (!EndsWith(path, ".conf")) {
        loaded_.warnings.push_back(path + ": ignored, the name does not end in .conf");
        continue;
      }
      ASSIGN_OR_RETURN(Document drop_in, ReadFile(path));
      merged = MergePatch(std::move(merged), drop_in.json);
    }
    absl::StatusOr<Document> result = ReadMerged(merged);
    if (!result.ok())
      return base::Annotate(result.status(), "drop-ins of " + loaded_.flags.config_dir);
    base = *std::move(result);
    SetDocumentDefaults(base, flag_gates_);
    return absl::OkStatus();
  }

  void Normalize() {
    std::string& hostname = loaded_.flags.hostname_override;
    std::string trimmed = Trim(hostname);
    // A blank name stays as it is for validation to see.
    if (!trimmed.empty()) hostname = trimmed;
    std::transform(hostname.begin(), hostname.end(), hostname.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    if (loaded_.flags.seccomp_default) loaded_.kubelet.set_seccomp_default(true);
    std::string& objects = loaded_.flags.local_objects_dir;
    if (!objects.empty()) objects = CleanPath(objects);
    if (!loaded_.flags.root_dir.empty()) loaded_.flags.root_dir = CleanPath(loaded_.flags.root_dir);
  }

  void CheckLocalObjects(std::vector<Problem>& problems) const {
    const std::string& dir = loaded_.flags.local_objects_dir;
    const auto& kc = loaded_.kubelet;
    if (dir.empty()) return;
    if (kc.static_pod_path().empty() && kc.static_pod_url().empty())
      problems.push_back(
          {"--local-objects-dir", "is for static pods: needs staticPodPath or staticPodURL"});
    if (!kc.static_pod_path().empty() && CleanPath(kc.static_pod_path()) == dir)
      problems.push_back({"--local-objects-dir",
                          "is staticPodPath: its files would be taken for manifests of pods"});
  }

  void CheckPodLogs(std::vector<Problem>& problems) const {
    constexpr char kFlag[] = "--pod-logs-max-size";
    const std::string& text = loaded_.flags.pod_logs_max_size;
    if (text.empty()) return;
    auto most = api::Quantity::Parse(text);
    auto one = api::Quantity::Parse(loaded_.kubelet.container_log_max_size());
    if (!most.ok()) {
      problems.push_back({kFlag, "is " + Quote(text) + ", must be a quantity"});
    } else if (one.ok() && one->Value() < 0) {
      problems.push_back({kFlag, "needs containerLogMaxSize: without it no log is rotated"});
    } else if (one.ok() && most->Value() < one->Value()) {
      problems.push_back({kFlag, "is " + Quote(text) + ", must be at least containerLogMaxSize, " +
                                     loaded_.kubelet.container_log_max_size()});
    }
  }

  absl::Status Validate() {
    std::vector<Problem> problems = ValidateFlags(loaded_.flags);
    for (const std::string& problem : loaded_.gates.Set(GatesOf(loaded_.kubelet))) {
      problems.push_back({"featureGates", problem});
    }
    CheckLocalObjects(problems);
    CheckPodLogs(problems);
    std::vector<Problem> more = ValidateConfiguration(loaded_.kubelet, loaded_.gates);
    problems.insert(problems.end(), more.begin(), more.end());
    if (!problems.empty()) {
      std::string message = "invalid configuration:";
      for (const Problem& problem : problems) message += "\n  " + problem.ToString();
      return absl::InvalidArgumentError(message);
    }
    for (auto& warning : loaded_.gates.Warnings()) loaded_.warnings.push_back(std::move(warning));
    for (auto& warning : ConfigurationWarnings(loaded_.kubelet, loaded_.flags, loaded_.gates)) {
      loaded_.warnings.push_back(std::move(warning));
    }
    loaded_.unsupported = NotBuiltYet(loaded_);
    return absl::OkStatus();
  }

  const CommandLine& line_;
  const FileReader& files_;
  Gates flag_gates_;
  LoadedConfig loaded_;
};

}  // namespace

absl::StatusOr<LoadedConfig> Load(const CommandLine& command_line, const FileReader& files) {
  return Loader(command_line, files).Load();
}

std::optional<int> LoadOrExit(const std::vector<std::string>& args, const FileReader& files,
                              std::ostream& out, std::ostream& err, LoadedConfig& loaded) {
  absl::StatusOr<CommandLine> line = ParseCommandLine(args);
  if (!line.ok()) {
    err << "Error: failed to parse kubelet flag: " << base::Message(line.status()) << "\n"
        << UsageText();
    return 1;
  }
  for (const std::string& deprecation : line->deprecations) err << deprecation << "\n";
  if (line->help) {
    out << HelpText();
    return 0;
  }
  if (!line->version.empty()) {
    out << line->version << "\n";
    return 0;
  }
  absl::StatusOr<LoadedConfig> result = Load(*line, files);
  if (!result.ok()) {
    err << "Error: " << base::Message(result.status()) << "\n";
    return 1;
  }
  loaded = *std::move(result);
  return std::nullopt;
}

}  // namespace kubelet::config
