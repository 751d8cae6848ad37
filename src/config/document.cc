#include "config/document.h"

#include "config/defaults.h"
#include "config/field_path.h"
#include "config/text.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/lenient_yaml.h"
#include "kubelet/base/status.h"

namespace kubelet::config {
namespace {

// Fields that name files (pkg/kubelet/apis/config/helpers.go).
constexpr const char* kPathFields[] = {"staticPodPath", "authentication.x509.clientCAFile",
                                       "tlsCertFile",   "tlsPrivateKeyFile",
                                       "resolvConf",    "volumePluginDir",
                                       "podLogsDir"};

absl::Status CheckKind(const JsonValue& json) {
  const JsonValue* version = json.Find("apiVersion");
  const JsonValue* kind = json.Find("kind");
  bool missing =
      version == nullptr || kind == nullptr || version->text.empty() || kind->text.empty();
  if (missing) return absl::InvalidArgumentError("has no apiVersion or no kind");
  if (version->text == kConfigVersion && kind->text == kConfigKind) return absl::OkStatus();
  return absl::InvalidArgumentError("is " + kind->text + " of " + version->text + ", must be " +
                                    kConfigKind + " of " + kConfigVersion);
}

// How deep a line is indented, and the key it begins with; empty when it begins with none.
struct KeyLine {
  size_t indent = 0;
  std::string key;
};
KeyLine ReadKey(const std::string& line) {
  KeyLine result;
  result.indent = line.find_first_not_of(" \t-{,");
  if (result.indent == std::string::npos) return {};
  std::string rest = line.substr(result.indent);
  size_t end = rest.find(':');
  if (rest[0] == '#' || end == std::string::npos) return {result.indent, ""};
  std::string key = Trim(rest.substr(0, end));
  bool quoted =
      key.size() >= 2 && (key.front() == '"' || key.front() == '\'') && key.back() == key.front();
  result.key = quoted ? key.substr(1, key.size() - 2) : key;
  return result;
}

}  // namespace

absl::StatusOr<Document> ReadDocument(const std::string& text) {
  if (Trim(text).empty()) return absl::InvalidArgumentError("is empty");
  Document document;
  ASSIGN_OR_RETURN(std::string json, api::YamlToJsonLeniently(text, document.strict));
  ASSIGN_OR_RETURN(document.json, ParseJson(json));
  RETURN_IF_ERROR(CheckKind(document.json));
  api::DecodeOptions options;
  options.strict = true;
  options.warnings = &document.strict;
  RETURN_IF_ERROR(api::DecodeJson(json, document.config, options));
  return document;
}

absl::StatusOr<Document> ReadMerged(const JsonValue& json) {
  Document document;
  document.json = json;
  RETURN_IF_ERROR(api::DecodeJson(WriteJson(json), document.config));
  return document;
}

void SetDocumentDefaults(Document& document, const std::map<std::string, bool>& gates) {
  const JsonValue* enforce = document.json.Find("enforceNodeAllocatable");
  bool nothing =
      enforce != nullptr && enforce->kind == JsonValue::Kind::kArray && enforce->items.empty();
  SetDefaults(document.config, gates);
  if (nothing) document.config.clear_enforce_node_allocatable();
}

void ResolvePaths(v1beta1::KubeletConfiguration& config, const std::string& directory) {
  for (const char* path : kPathFields) {
    FieldRef ref = FindField(config, path);
    std::string name = FieldText(ref);
    if (name.empty() || IsAbsolute(name)) continue;
    // A string field takes any text.
    SetScalar(MutableField(config, path), JoinPath(directory, name)).IgnoreError();
  }
}

int LineOf(const std::string& text, const std::string& path) {
  std::vector<std::string> wanted = Split(path, '.');
  std::vector<std::string> lines = Split(text, '\n');
  std::vector<size_t> indents;
  size_t found = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    KeyLine line = ReadKey(lines[i]);
    if (line.key.empty()) continue;
    while (!indents.empty() && line.indent <= indents.back()) {
      indents.pop_back();
      if (indents.size() < found) return 0;  // the parent ended without the field
    }
    std::string name =
        found < wanted.size() ? wanted[found].substr(0, wanted[found].find('[')) : "";
    if (indents.size() == found && line.key == name) {
      ++found;
      if (found == wanted.size()) return static_cast<int>(i + 1);
    }
    indents.push_back(line.indent);
  }
  return 0;
}

}  // namespace kubelet::config
