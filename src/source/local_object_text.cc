// From the text of a file to the ConfigMaps and Secrets in it.
#include "kubelet/api/codec.h"
#include "kubelet/api/validation.h"
#include "kubelet/base/status.h"
#include "kubelet/source/local_objects.h"
#include "source/json_cut.h"

namespace kubelet::source {
namespace {

using api::core::ConfigMap;
using api::core::Secret;

bool HasKind(const std::string& kind) { return kind == "ConfigMap" || kind == "Secret"; }

// What stringData says goes over data, as the API server does it.
void Settle(Secret& secret) {
  for (const auto& [key, text] : secret.string_data()) (*secret.mutable_data())[key] = text;
  secret.clear_string_data();
  if (secret.type().empty()) secret.set_type("Opaque");
}
void Settle(ConfigMap&) {}

std::vector<api::FieldError> Validate(const ConfigMap& map) { return api::ValidateConfigMap(map); }
std::vector<api::FieldError> Validate(const Secret& secret) { return api::ValidateSecret(secret); }

class Reader {
 public:
  explicit Reader(JudgedObjects& out) : out_(out) {}

  // One document, or one item of a list. `item_kind`: what a typed list holds.
  void Object(const std::string& json, const std::string& place, bool item,
              const std::string& item_kind) {
    auto type = api::PeekTypeMeta(json);
    if (!type.ok()) return Error(place, base::Message(type.status()));
    const std::string kind = type->kind.empty() ? item_kind : type->kind;
    bool list = !item && (kind == "List" || kind == "ConfigMapList" || kind == "SecretList");
    bool right = item_kind.empty() ? HasKind(kind) || list : kind == item_kind;
    if (kind.empty()) return Error(place, "kind: Required value");
    if (!right) {
      std::string wanted = item_kind.empty() ? "ConfigMap, Secret or a List of them" : item_kind;
      return Error(place, "kind: Invalid value: \"" + kind + "\": must be " + wanted);
    }
    if (type->api_version.empty() && item_kind.empty())
      return Error(place, "apiVersion: Required value");
    if (!type->api_version.empty() && type->api_version != "v1")
      return Error(place, "apiVersion: Invalid value: \"" + type->api_version + "\": must be v1");
    if (list) return Items(json, place, kind.substr(0, kind.size() - 4));
    if (kind == "ConfigMap") return Decode(json, place, kind, out_.config_maps);
    Decode(json, place, kind, out_.secrets);
  }

 private:
  void Error(const std::string& place, const std::string& text) {
    out_.errors.push_back(place + text);
  }

  void Items(const std::string& json, const std::string& place, const std::string& kind) {
    auto items = JsonMember(json, "items");
    if (!items || *items == "null") return;
    auto elements = JsonElements(*items);
    if (!elements) return Error(place, "items: Invalid value: must be a list");
    for (size_t i = 0; i < elements->size(); ++i)
      Object(std::string((*elements)[i]), place + "items[" + std::to_string(i) + "].", true, kind);
  }

  template <typename T>
  void Decode(const std::string& json, const std::string& place, const std::string& kind,
              std::vector<std::shared_ptr<const T>>& list) {
    auto object = std::make_shared<T>();
    std::vector<std::string> notes;
    api::DecodeOptions options;
    options.strict = true;
    options.warnings = &notes;
    auto status = api::DecodeJson(json, *object, options);
    auto& meta = *object->mutable_metadata();
    if (meta.namespace_().empty()) meta.set_namespace_("default");
    std::string about = place + kind + " " + meta.namespace_() + "/" + meta.name() + ": ";
    if (!status.ok()) Error(about, base::Message(status));
    bool good = status.ok();
    for (const auto& note : notes) {
      bool unknown = note.rfind("unknown field", 0) == 0;
      (unknown ? out_.warnings : out_.errors).push_back(about + note);
      good = good && unknown;
    }
    if (!good) return;
    Settle(*object);
    auto errors = Validate(*object);
    for (const auto& error : errors) Error(about, error.ToString());
    if (errors.empty()) list.push_back(std::move(object));
  }

  JudgedObjects& out_;
};

// Two objects of one name in one file.
template <typename T>
void FindTwins(const std::vector<std::shared_ptr<const T>>& list, const std::string& kind,
               JudgedObjects& out) {
  for (size_t i = 0; i < list.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const auto &a = list[i]->metadata(), &b = list[j]->metadata();
      if (a.namespace_() != b.namespace_() || a.name() != b.name()) continue;
      out.errors.push_back(kind + " " + a.namespace_() + "/" + a.name() +
                           ": is there twice in this file");
      break;
    }
  }
}

}  // namespace

JudgedObjects JudgeObjects(const std::string& text) {
  JudgedObjects out;
  Reader reader(out);
  if (text.size() > kMaxManifest) {
    out.errors.push_back("longer than " + std::to_string(kMaxManifest) + " bytes");
    return out;
  }
  auto documents = YamlDocuments(text);
  if (documents.empty()) out.errors.push_back("empty");
  for (size_t i = 0; i < documents.size(); ++i) {
    std::string place = documents.size() > 1 ? "document " + std::to_string(i + 1) + ": " : "";
    auto json = api::YamlToJson(documents[i]);
    if (!json.ok()) {
      out.errors.push_back(place + base::Message(json.status()));
    } else if (json->empty() || (*json)[0] != '{') {
      out.errors.push_back(place + "must be an object");
    } else {
      reader.Object(*json, place, false, "");
    }
  }
  FindTwins(out.config_maps, "ConfigMap", out);
  FindTwins(out.secrets, "Secret", out);
  return out;
}

}  // namespace kubelet::source
