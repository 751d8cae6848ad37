#include "kubelet/source/manifest.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "kubelet/api/codec.h"
#include "kubelet/api/defaults.h"
#include "kubelet/api/pod.h"
#include "kubelet/api/validation.h"
#include "kubelet/base/hash.h"
#include "kubelet/base/status.h"
#include "source/go_dump.h"
#include "source/json_cut.h"

namespace kubelet::source {
namespace {

std::string SuffixedName(const std::string& name, const std::string& node) {
  std::string lower = node;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return name + "-" + lower;
}

std::string NameIn(std::string_view json, const Origin& origin) {
  auto metadata = JsonMember(json, "metadata");
  if (!metadata) return "";
  std::string name = JsonPlainString(JsonMember(*metadata, "name").value_or(""));
  std::string ns = JsonPlainString(JsonMember(*metadata, "namespace").value_or(""));
  if (name.empty()) return "";
  return (ns.empty() ? "default" : ns) + "/" + SuffixedName(name, origin.node_name);
}

bool IsBlank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

// JSON as it is, YAML converted: the rule upstream's decoder applies (first character a brace).
absl::StatusOr<std::string> AsJson(const std::string& text) {
  if (text.size() > kMaxManifest) {
    return absl::InvalidArgumentError("longer than " + std::to_string(kMaxManifest) + " bytes");
  }
  if (IsBlank(text)) return absl::InvalidArgumentError("empty");
  if (text[text.find_first_not_of(" \t\r\n")] == '{') return text;
  auto json = api::YamlToJson(text);
  if (json.ok() && (json->empty() || *json == "null")) {
    return absl::InvalidArgumentError("the first document is empty");
  }
  return json;
}

std::string ReferenceAlwaysRefused(const api::core::Pod& pod) {
  if (pod.spec().resource_claims_size() > 0) return "static pods may not reference resourceclaims";
  for (const auto& volume : pod.spec().volumes()) {
    for (const auto& projected : volume.volume_source().projected().sources()) {
      if (projected.has_cluster_trust_bundle())
        return "static pods may not reference clustertrustbundles";
    }
  }
  return "";
}

std::string ReferenceOf(const api::core::Pod& pod, References allowed) {
  switch (allowed) {
    case References::kRefused:
      return api::StaticPodReference(pod);
    case References::kLocalObjects:
      return api::StaticPodReference(api::WithoutObjectReferences(pod));
    case References::kAllowed:
      break;
  }
  return ReferenceAlwaysRefused(pod);
}

void TolerateNoExecute(api::core::PodSpec& spec) {
  auto same = [](const api::core::Toleration& t) {
    return t.key().empty() && t.value().empty() && t.operator_() == "Exists" &&
           t.effect() == "NoExecute";
  };
  auto& list = *spec.mutable_tolerations();
  auto it = std::find_if(list.begin(), list.end(), same);
  api::core::Toleration* toleration = it == list.end() ? spec.add_tolerations() : &*it;
  toleration->Clear();
  toleration->set_operator_("Exists");
  toleration->set_effect("NoExecute");
}

std::string Place(const Origin& origin, const std::string& location) {
  if (origin.kind == Origin::Kind::kHttp) return "url:" + location;
  return "host:" + origin.node_name + "file:" + location;
}

// Go joins the directory and the name to a clean path.
std::string GoLocation(const Origin& origin) {
  if (origin.kind == Origin::Kind::kHttp) return origin.location;
  return std::filesystem::path(origin.location).lexically_normal().string();
}

// What upstream's applyDefaults does, in its order (pkg/kubelet/config/common.go).
void Identify(api::core::Pod& pod, const std::string& json, const Origin& origin) {
  bool file = origin.kind == Origin::Kind::kFile;
  auto& meta = *pod.mutable_metadata();
  if (meta.uid().empty()) {
    std::string manifest = base::Fnv1a128Hex(api::EncodeJson(pod) + Place(origin, origin.location));
    meta.set_uid(base::Fnv1a128Hex(GoPodDump(pod, json) + Place(origin, GoLocation(origin))));
    (*meta.mutable_annotations())[api::kManifestAnnotation] = manifest;
  }
  meta.set_name(SuffixedName(meta.name(), origin.node_name));
  if (meta.namespace_().empty()) meta.set_namespace_("default");
  pod.mutable_spec()->set_node_name(origin.node_name);
  auto& annotations = *meta.mutable_annotations();
  annotations[api::kConfigHash] = meta.uid();
  annotations[api::kConfigSource] = file ? "file" : "http";
  annotations[api::kConfigSeen] = base::Rfc3339Nano(origin.seen);
  if (file) TolerateNoExecute(*pod.mutable_spec());
  pod.mutable_status()->set_phase("Pending");
}

// One pod as JSON text. `item`: within a list, where kind and apiVersion may be absent.
Judged JudgeJson(const std::string& json, const Origin& origin, bool item) {
  Judged out;
  out.name = NameIn(json, origin);
  auto type = api::PeekTypeMeta(json);
  if (!type.ok()) {
    out.errors.push_back(base::Message(type.status()));
    return out;
  }
  if (!item && type->kind.empty()) out.errors.push_back("kind: Required value");
  if (!item && type->api_version.empty()) out.errors.push_back("apiVersion: Required value");
  if (!type->kind.empty() && type->kind != "Pod") {
    out.errors.push_back("kind: Invalid value: \"" + type->kind + "\": must be Pod");
  }
  if (!type->api_version.empty() && type->api_version != "v1") {
    out.errors.push_back("apiVersion: Invalid value: \"" + type->api_version + "\": must be v1");
  }
  if (!out.errors.empty()) return out;

  auto pod = std::make_shared<api::core::Pod>();
  std::vector<std::string> notes;
  api::DecodeOptions options;
  options.strict = true;
  options.warnings = &notes;
  auto status = api::DecodeJson(json, *pod, options);
  if (!status.ok()) out.errors.push_back(base::Message(status));
  for (auto& note : notes) {
    bool unknown = note.rfind("unknown field", 0) == 0;
    (unknown ? out.warnings : out.errors).push_back(std::move(note));
  }
  if (status.ok() && pod->metadata().name().empty())
    out.errors.push_back("metadata.name: Required value");
  if (!out.errors.empty()) return out;

  api::ApplyPodDefaults(*pod);
  Identify(*pod, json, origin);
  out.name = api::PodKey(*pod);
  for (const auto& error : api::ValidatePodCreate(*pod)) out.errors.push_back(error.ToString());
  std::string reference = ReferenceOf(*pod, origin.references);
  if (!reference.empty()) out.errors.push_back("spec: Forbidden: " + reference);
  if (out.errors.empty()) out.pod = std::move(pod);
  return out;
}

void WarnOfFurtherDocuments(const std::string& text, Judged& judged) {
  int documents = CountYamlDocuments(text);
  if (documents < 2) return;
  judged.warnings.push_back(std::to_string(documents) +
                            " YAML documents: only the first is read, put one Pod into each file");
}

Judged Unreadable(const absl::Status& status) {
  Judged out;
  out.errors.push_back(base::Message(status));
  return out;
}

}  // namespace

Judged JudgeManifest(const std::string& text, const Origin& origin) {
  auto json = AsJson(text);
  Judged out = json.ok() ? JudgeJson(*json, origin, false) : Unreadable(json.status());
  if (json.ok()) WarnOfFurtherDocuments(text, out);
  return out;
}

std::vector<Judged> JudgeManifests(const std::string& text, const Origin& origin) {
  auto json = AsJson(text);
  if (!json.ok()) return {Unreadable(json.status())};
  auto type = api::PeekTypeMeta(*json);
  if (!type.ok() || type->kind != "PodList") {
    auto judged = JudgeJson(*json, origin, false);
    WarnOfFurtherDocuments(text, judged);
    return {std::move(judged)};
  }
  if (type->api_version != "v1") {
    return {Unreadable(absl::InvalidArgumentError("apiVersion: Invalid value: \"" +
                                                  type->api_version + "\": must be v1"))};
  }
  auto items = JsonMember(*json, "items");
  if (!items || *items == "null") return {};
  auto elements = JsonElements(*items);
  if (!elements)
    return {Unreadable(absl::InvalidArgumentError("items: Invalid value: must be a list"))};
  std::vector<Judged> out;
  for (size_t i = 0; i < elements->size(); ++i) {
    auto judged = JudgeJson(std::string((*elements)[i]), origin, true);
    for (auto& text : judged.errors) text = "items[" + std::to_string(i) + "]." + text;
    for (auto& text : judged.warnings) text = "items[" + std::to_string(i) + "]." + text;
    out.push_back(std::move(judged));
  }
  return out;
}

absl::StatusOr<api::PodPtr> DecodeManifest(const std::string& text, const Origin& origin,
                                           std::vector<std::string>* warnings) {
  Judged judged = JudgeManifest(text, origin);
  if (warnings != nullptr) *warnings = judged.warnings;
  if (judged.pod) return judged.pod;
  std::string message =
      (origin.kind == Origin::Kind::kFile ? "file " : "url ") + origin.location + ":";
  if (!judged.name.empty()) message += " pod " + judged.name + ":";
  for (size_t i = 0; i < judged.errors.size(); ++i)
    message += (i == 0 ? " " : "; ") + judged.errors[i];
  return absl::InvalidArgumentError(message);
}

api::PodPtr WithIdentity(const api::core::Pod& pod, const std::string& uid,
                         const std::string& seen) {
  auto copy = std::make_shared<api::core::Pod>(pod);
  auto& meta = *copy->mutable_metadata();
  meta.set_uid(uid);
  (*meta.mutable_annotations())[api::kConfigHash] = uid;
  (*meta.mutable_annotations())[api::kConfigSeen] = seen;
  return copy;
}

}  // namespace kubelet::source
