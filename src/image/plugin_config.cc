#include "kubelet/image/plugin_config.h"

#include <unistd.h>

#include <algorithm>
#include <set>

#include "image/registry_url.h"
#include "kubelet/api/codec.h"
#include "kubelet/base/hash.h"
#include "kubelet/base/status.h"
#include "kubelet/image/files.pb.h"
#include "kubelet/os/file.h"

namespace kubelet::image {
namespace {

constexpr size_t kMaxFile = 10 << 20;
constexpr char kConfigGroup[] = "kubelet.config.k8s.io/";
constexpr char kPluginGroup[] = "credentialprovider.kubelet.k8s.io/";

bool KnownVersion(const std::string& text, const std::string& group) {
  return text == group + "v1" || text == group + "v1beta1" || text == group + "v1alpha1";
}

bool HasSuffix(const std::string& text, const std::string& suffix) {
  return text.size() > suffix.size() &&
         text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& path) {
  ASSIGN_OR_RETURN(auto info, os::Stat(path));
  std::vector<std::string> files = {path};
  if (info.kind != os::FileKind::kDirectory) return files;
  files.clear();
  ASSIGN_OR_RETURN(auto directory, os::ListDirectory(path));
  for (const auto& name : directory.names) {
    bool wanted = HasSuffix(name, ".json") || HasSuffix(name, ".yaml") || HasSuffix(name, ".yml");
    std::string file = path + "/" + name;
    if (!wanted) continue;
    auto what = os::Stat(file);
    if (what.ok() && what->kind == os::FileKind::kDirectory) continue;
    files.push_back(std::move(file));
  }
  if (files.empty()) return absl::NotFoundError(path + ": no configuration files found in it");
  return files;
}

// Letters, digits and -_. with a letter or digit at both ends, after an optional DNS prefix; case
// does not matter.
bool IsQualifiedName(const std::string& text) {
  size_t slash = text.find('/');
  std::string name = slash == std::string::npos ? text : text.substr(slash + 1);
  std::string prefix = slash == std::string::npos ? "x" : text.substr(0, slash);
  auto alnum = [](unsigned char c) { return std::isalnum(c) != 0; };
  auto shaped = [&](const std::string& part, const std::string& more, size_t most) {
    return !part.empty() && part.size() <= most && alnum(part.front()) && alnum(part.back()) &&
           std::all_of(part.begin(), part.end(), [&](char c) {
             return alnum(static_cast<unsigned char>(c)) || more.find(c) != std::string::npos;
           });
  };
  return shaped(name, "-_.", 63) && shaped(prefix, "-.", 253) &&
         prefix.find("..") == std::string::npos;
}

// Collects what is wrong with one provider.
class Checker {
 public:
  Checker(const files::CredentialProvider& provider, std::string where)
      : provider_(provider), where_(std::move(where)) {}

  void Check(bool tokens) {
    const std::string& name = provider_.name();
    if (name.empty()) Add("name", "is required");
    if (name.find_first_of("/ ") != std::string::npos || name == "." || name == "..")
      Add("name", "\"" + name + "\" must be the name of a program, without / and blanks");
    if (!KnownVersion(provider_.api_version(), kPluginGroup)) {
      Add("apiVersion", "\"" + provider_.api_version() + "\" must be " + kPluginGroup +
                            "v1, v1beta1 or v1alpha1");
    }
    if (provider_.match_images().empty()) Add("matchImages", "at least one is required");
    for (const auto& image : provider_.match_images()) {
      if (auto url = ParseRegistryUrl(image); !url.ok())
        Add("matchImages", base::Message(url.status()));
    }
    if (!provider_.has_default_cache_duration()) Add("defaultCacheDuration", "is required");
    if (provider_.default_cache_duration().duration() < 0)
      Add("defaultCacheDuration", "must not be negative");
    if (provider_.has_token_attributes()) CheckToken(tokens);
  }
  const std::string& problems() const { return problems_; }

 private:
  void CheckToken(bool tokens) {
    const auto& token = provider_.token_attributes();
    if (!tokens) {
      Add("tokenAttributes",
          "needs the feature gate KubeletServiceAccountTokenForCredentialProviders");
    }
    if (provider_.api_version() != std::string(kPluginGroup) + "v1")
      Add("tokenAttributes", std::string("needs apiVersion ") + kPluginGroup + "v1");
    if (token.service_account_token_audience().empty())
      Add("tokenAttributes.serviceAccountTokenAudience", "is required");
    if (!token.has_require_service_account())
      Add("tokenAttributes.requireServiceAccount", "is required");
    const auto& required = token.required_service_account_annotation_keys();
    const auto& optional = token.optional_service_account_annotation_keys();
    if (token.has_require_service_account() && !token.require_service_account() &&
        !required.empty())
      Add("tokenAttributes.requiredServiceAccountAnnotationKeys", "needs requireServiceAccount");
    std::set<std::string> seen;
    CheckKeys("tokenAttributes.requiredServiceAccountAnnotationKeys", required, seen);
    CheckKeys("tokenAttributes.optionalServiceAccountAnnotationKeys", optional, seen);
    if (token.cache_type() != "Token" && token.cache_type() != "ServiceAccount") {
      Add("tokenAttributes.cacheType",
          "\"" + token.cache_type() + "\" must be ServiceAccount or Token");
    }
  }

  template <typename List>
  void CheckKeys(const char* field, const List& keys, std::set<std::string>& seen) {
    for (const std::string& key : keys) {
      if (!IsQualifiedName(key)) Add(field, "\"" + key + "\" is no annotation key");
      if (!seen.insert(key).second) Add(field, "\"" + key + "\" stands there twice");
    }
  }

  void Add(const std::string& field, const std::string& what) {
    problems_ += (problems_.empty() ? "" : "; ") + where_ + "." + field + ": " + what;
  }

  const files::CredentialProvider& provider_;
  std::string where_, problems_;
};

PluginSpec ToSpec(const files::CredentialProvider& provider, const std::string& bin_dir) {
  PluginSpec out;
  out.name = provider.name();
  out.program = bin_dir + "/" + provider.name();
  out.match_images.assign(provider.match_images().begin(), provider.match_images().end());
  out.cache_for = base::Nanos(provider.default_cache_duration().duration());
  out.api_version = provider.api_version();
  out.args.assign(provider.args().begin(), provider.args().end());
  for (const auto& variable : provider.env())
    out.environment.push_back(variable.name() + "=" + variable.value());
  if (!provider.has_token_attributes()) return out;
  const auto& from = provider.token_attributes();
  PluginToken& token = out.token.emplace();
  token.audience = from.service_account_token_audience();
  token.require_service_account = from.require_service_account();
  token.cache_by_token = from.cache_type() == "Token";
  const auto& required = from.required_service_account_annotation_keys();
  token.required_annotations.assign(required.begin(), required.end());
  const auto& optional = from.optional_service_account_annotation_keys();
  token.optional_annotations.assign(optional.begin(), optional.end());
  return out;
}

absl::StatusOr<files::CredentialProviderConfig> Decode(const std::string& text) {
  files::CredentialProviderConfig config;
  api::DecodeOptions strict;
  strict.strict = true;
  RETURN_IF_ERROR(api::DecodeYaml(text, config, strict));
  if (config.kind() != "CredentialProviderConfig")
    return absl::InvalidArgumentError("kind \"" + config.kind() +
                                      "\" must be CredentialProviderConfig");
  if (!KnownVersion(config.api_version(), kConfigGroup)) {
    return absl::InvalidArgumentError("apiVersion \"" + config.api_version() + "\" must be " +
                                      kConfigGroup + "v1, v1beta1 or v1alpha1");
  }
  bool has_tokens = config.api_version() == std::string(kConfigGroup) + "v1";
  for (int i = 0; i < config.providers_size(); ++i) {
    if (config.providers(i).has_token_attributes() && !has_tokens) {
      return absl::InvalidArgumentError("unknown field \"providers[" + std::to_string(i) +
                                        "].tokenAttributes\" in " + config.api_version());
    }
  }
  return config;
}

absl::Status Take(const files::CredentialProviderConfig& config, const std::string& bin_dir,
                  bool tokens, PluginConfig& out) {
  for (int i = 0; i < config.providers_size(); ++i) {
    const auto& provider = config.providers(i);
    Checker checker(provider, "providers[" + std::to_string(i) + "]");
    checker.Check(tokens);
    if (!checker.problems().empty()) return absl::InvalidArgumentError(checker.problems());
    bool twice = std::any_of(out.plugins.begin(), out.plugins.end(),
                             [&](const auto& other) { return other.name == provider.name(); });
    if (twice)
      return absl::InvalidArgumentError("duplicate provider name \"" + provider.name() + "\"");
    PluginSpec spec = ToSpec(provider, bin_dir);
    ASSIGN_OR_RETURN(auto program, os::Stat(spec.program));
    if (program.kind != os::FileKind::kRegular || ::access(spec.program.c_str(), X_OK) != 0)
      return absl::InvalidArgumentError(spec.program + ": is no program that can be run");
    out.plugins.push_back(std::move(spec));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PluginConfig> LoadPluginConfig(const std::string& path, const std::string& bin_dir,
                                              bool tokens) {
  ASSIGN_OR_RETURN(auto directory, os::Stat(bin_dir));
  if (directory.kind != os::FileKind::kDirectory)
    return absl::InvalidArgumentError(bin_dir + ": is no directory");
  ASSIGN_OR_RETURN(auto files, FilesOf(path));
  PluginConfig out;
  std::string hashed;
  for (const auto& file : files) {
    ASSIGN_OR_RETURN(auto content, os::ReadRegularFile(file, kMaxFile));
    for (int shift = 56; shift >= 0; shift -= 8)
      hashed += static_cast<char>(uint64_t{content.text.size()} >> shift & 0xff);
    hashed += content.text;
    auto config = Decode(content.text);
    if (!config.ok()) return base::Annotate(config.status(), file);
    RETURN_IF_ERROR(base::Annotate(Take(*config, bin_dir, tokens, out), file));
  }
  if (out.plugins.empty())
    return absl::InvalidArgumentError(path + ": providers: at least one is required");
  out.hash = "sha256:" + base::Sha256Hex(hashed);
  return out;
}

}  // namespace kubelet::image
