#include <algorithm>

#include "api/validation_checks.h"

namespace kubelet::api {
namespace {

// A template carries labels and annotations only.
void CheckTemplateMetadata(const meta::ObjectMeta& metadata, const Path& path, Errors& errors) {
  CheckAnnotations(metadata.annotations(), path.Child("annotations"), errors);
  CheckLabels(metadata.labels(), path.Child("labels"), errors);
  std::vector<const google::protobuf::FieldDescriptor*> set;
  metadata.GetReflection()->ListFields(metadata, &set);
  meta::ObjectMeta empty;
  for (const auto* field : set) {
    if (field->name() == "annotations" || field->name() == "labels") continue;
    // Encoders write scalars without a value too.
    bool message = field->cpp_type() == field->CPPTYPE_MESSAGE && !field->is_repeated();
    if (message && metadata.GetReflection()->GetMessage(metadata, field).ByteSizeLong() == 0)
      continue;
    if (field->cpp_type() == field->CPPTYPE_STRING && !field->is_repeated() &&
        metadata.GetReflection()->GetString(metadata, field).empty()) {
      continue;
    }
    if (field->name() == "generation" && metadata.generation() == 0) continue;
    errors.Forbidden(path.Child(field->json_name()), "cannot be set");
  }
}

void CheckAccessModes(const core::PersistentVolumeClaimSpec& spec, const Path& path,
                      Errors& errors) {
  static const std::vector<std::string> kModes = {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce",
                                                  "ReadWriteOncePod"};
  if (spec.access_modes().empty())
    return errors.Required(path, "at least 1 access mode is required");
  bool once_pod = false, other = false;
  for (const std::string& mode : spec.access_modes()) {
    bool known = std::find(kModes.begin(), kModes.end(), mode) != kModes.end();
    if (!known) errors.NotSupported(path, mode, kModes);
    once_pod |= mode == "ReadWriteOncePod";
    other |= known && mode != "ReadWriteOncePod";
  }
  if (once_pod && other) {
    errors.Forbidden(path, "may not use ReadWriteOncePod with other access modes");
  }
}

void CheckStorageRequest(const core::PersistentVolumeClaimSpec& spec, const Path& path,
                         Errors& errors) {
  auto it = spec.resources().requests().find("storage");
  if (it == spec.resources().requests().end()) return errors.Required(path);
  Quantity size = Quantity::From(it->second);
  if (size.Sign() <= 0) errors.Invalid(path, size, "must be greater than zero");
}

// TypedLocalObjectReference and TypedObjectReference.
template <typename Reference>
void CheckDataSource(const Reference& reference, const Path& path, Errors& errors) {
  errors.NonEmpty(path.Child("name"), reference.name());
  errors.NonEmpty(path.Child("kind"), reference.kind());
  if (reference.api_group().empty()) {
    if (reference.kind() == "PersistentVolumeClaim") return;
    errors.Invalid(path, reference.kind(),
                   "must be PersistentVolumeClaim when there is no apiGroup");
    return;
  }
  errors.Invalid(path.Child("apiGroup"), reference.api_group(),
                 DnsSubdomainProblems(reference.api_group()));
}

void CheckDataSources(const core::PersistentVolumeClaimSpec& spec, const Path& path,
                      Errors& errors) {
  if (spec.has_data_source()) {
    CheckDataSource(spec.data_source(), path.Child("dataSource"), errors);
  }
  if (!spec.has_data_source_ref()) return;
  const core::TypedObjectReference& ref = spec.data_source_ref();
  CheckDataSource(ref, path.Child("dataSourceRef"), errors);
  if (!ref.namespace_().empty()) {
    errors.Invalid(path.Child("dataSourceRef").Child("namespace"), ref.namespace_(),
                   DnsLabelProblems(ref.namespace_()));
  }
  if (!spec.has_data_source()) return;
  const core::TypedLocalObjectReference& source = spec.data_source();
  if (!ref.namespace_().empty()) {
    errors.Invalid(path, "dataSource", "may not be specified with dataSourceRef.namespace");
  } else if (source.api_group() != ref.api_group() ||
             source.has_api_group() != ref.has_api_group() || source.kind() != ref.kind() ||
             source.name() != ref.name()) {
    errors.Invalid(path, "dataSource", "must match dataSourceRef");
  }
}

void CheckClassName(const std::string& name, const Path& path, Errors& errors) {
  if (!name.empty()) errors.Invalid(path, name, DnsSubdomainProblems(name));
}

}  // namespace

void CheckClaimTemplate(const core::PersistentVolumeClaimTemplate& claim, const Path& path,
                        Errors& errors) {
  CheckTemplateMetadata(claim.metadata(), path.Child("metadata"), errors);
  const core::PersistentVolumeClaimSpec& spec = claim.spec();
  const Path at = path.Child("spec");
  CheckAccessModes(spec, at.Child("accessModes"), errors);
  CheckLabelSelector(spec.selector(), at.Child("selector"), errors);
  CheckStorageRequest(spec, at.Child("resources").Key("storage"), errors);
  CheckClassName(spec.storage_class_name(), at.Child("storageClassName"), errors);
  if (spec.has_volume_mode()) {
    errors.OneOf(at.Child("volumeMode"), spec.volume_mode(), {"Block", "Filesystem"});
  }
  CheckDataSources(spec, at, errors);
  CheckClassName(spec.volume_attributes_class_name(), at.Child("volumeAttributesClassName"),
                 errors);
}

}  // namespace kubelet::api
