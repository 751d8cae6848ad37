#include <algorithm>

#include "api/validation_checks.h"

namespace kubelet::api {
namespace {

constexpr size_t kAnnotationsMax = 256 << 10;
constexpr size_t kManagerMax = 128;
constexpr size_t kSubresourceMax = 256;

// A generated name gets characters appended, so it may end in `-`.
std::string AsPrefix(std::string name) {
  if (name.size() > 1 && name.back() == '-') name.replace(name.size() - 2, 2, "a");
  return name;
}

// The version of `group/version`; empty when there is none.
std::string VersionOf(const std::string& api_version) {
  std::vector<std::string> parts = Split(api_version, '/');
  return parts.size() <= 2 ? parts.back() : "";
}

void CheckOwner(const meta::OwnerReference& owner, const Path& path, Errors& errors) {
  if (VersionOf(owner.api_version()).empty()) {
    errors.Invalid(path.Child("apiVersion"), owner.api_version(), "version must not be empty");
  }
  if (owner.kind().empty()) errors.Invalid(path.Child("kind"), owner.kind(), "must not be empty");
  if (owner.name().empty()) errors.Invalid(path.Child("name"), owner.name(), "must not be empty");
  if (owner.uid().empty()) errors.Invalid(path.Child("uid"), owner.uid(), "must not be empty");
  if (owner.api_version() == "v1" && owner.kind() == "Event") {
    errors.Invalid(path, Shown(owner), "an Event cannot be an owner");
  }
}

void CheckOwners(const meta::ObjectMeta& metadata, const Path& path, Errors& errors) {
  std::string controller;
  for (int i = 0; i < metadata.owner_references_size(); ++i) {
    const meta::OwnerReference& owner = metadata.owner_references(i);
    CheckOwner(owner, path.Index(i), errors);
    if (!owner.controller()) continue;
    std::string name = owner.kind() + "/" + owner.name();
    if (!controller.empty()) {
      errors.Invalid(path.Index(i), Shown(owner),
                     "only one reference can have controller set to true, found " + controller +
                         " and " + name);
    } else {
      controller = name;
    }
  }
}

void CheckFinalizers(const meta::ObjectMeta& metadata, const Path& path, Errors& errors) {
  bool orphan = false, foreground = false;
  for (int i = 0; i < metadata.finalizers_size(); ++i) {
    const std::string& name = metadata.finalizers(i);
    errors.Invalid(path.Index(i), name, QualifiedNameProblems(name));
    bool standard = name == "kubernetes" || name == "orphan" || name == "foregroundDeletion";
    if (!standard && name.find('/') == std::string::npos) {
      errors.Invalid(path.Index(i), name, "is neither a standard finalizer nor fully qualified");
    }
    orphan |= name == "orphan";
    foreground |= name == "foregroundDeletion";
  }
  if (orphan && foreground) {
    errors.Invalid(path, "orphan", "orphan and foregroundDeletion cannot be both set");
  }
}

void CheckManagedFields(const meta::ObjectMeta& metadata, const Path& path, Errors& errors) {
  for (int i = 0; i < metadata.managed_fields_size(); ++i) {
    const meta::ManagedFieldsEntry& entry = metadata.managed_fields(i);
    Path at = path.Index(i);
    if (entry.operation() != "Apply" && entry.operation() != "Update") {
      errors.Invalid(at.Child("operation"), entry.operation(), "must be `Apply` or `Update`");
    }
    if (!entry.fields_type().empty() && entry.fields_type() != "FieldsV1") {
      errors.Invalid(at.Child("fieldsType"), entry.fields_type(), "must be `FieldsV1`");
    }
    if (entry.manager().size() > kManagerMax) errors.TooLong(at.Child("manager"), kManagerMax);
    if (entry.subresource().size() > kSubresourceMax) {
      errors.TooLong(at.Child("subresource"), kSubresourceMax);
    }
  }
}

void CheckRequirement(const meta::LabelSelectorRequirement& requirement, const Path& path,
                      Errors& errors) {
  const std::string& op = requirement.operator_();
  if (op == "In" || op == "NotIn") {
    if (requirement.values().empty()) {
      errors.Required(path.Child("values"), "must be specified with operator " + op);
    }
  } else if (op == "Exists" || op == "DoesNotExist") {
    if (!requirement.values().empty()) {
      errors.Forbidden(path.Child("values"), "may not be specified with operator " + op);
    }
  } else {
    errors.Invalid(path.Child("operator"), op, "not a valid selector operator");
  }
  errors.Invalid(path.Child("key"), requirement.key(), QualifiedNameProblems(requirement.key()));
  for (int i = 0; i < requirement.values_size(); ++i) {
    errors.Invalid(path.Child("values").Index(i), requirement.values(i),
                   LabelValueProblems(requirement.values(i)));
  }
}

}  // namespace

void CheckLabels(const StringMap& labels, const Path& path, Errors& errors) {
  for (const auto& [key, value] : Sorted(labels)) {
    errors.Invalid(path, key, QualifiedNameProblems(key));
    errors.Invalid(path, value, LabelValueProblems(value));
  }
}

void CheckAnnotations(const StringMap& annotations, const Path& path, Errors& errors) {
  size_t total = 0;
  for (const auto& [key, value] : Sorted(annotations)) {
    errors.Invalid(path, key, QualifiedNameProblems(Lower(key)));
    total += key.size() + value.size();
  }
  if (total > kAnnotationsMax) errors.TooLong(path, kAnnotationsMax);
}

void CheckLabelSelector(const meta::LabelSelector& selector, const Path& path, Errors& errors) {
  CheckLabels(selector.match_labels(), path.Child("matchLabels"), errors);
  for (int i = 0; i < selector.match_expressions_size(); ++i) {
    CheckRequirement(selector.match_expressions(i), path.Child("matchExpressions").Index(i),
                     errors);
  }
}

void CheckMetadata(const meta::ObjectMeta& metadata, const Path& path, Errors& errors) {
  const std::string& generate = metadata.generate_name();
  if (!generate.empty()) {
    errors.Invalid(path.Child("generateName"), generate, DnsSubdomainProblems(AsPrefix(generate)));
  }
  if (metadata.name().empty()) {
    errors.Required(path.Child("name"), "name or generateName is required");
  } else {
    errors.Invalid(path.Child("name"), metadata.name(), DnsSubdomainProblems(metadata.name()));
  }
  if (metadata.namespace_().empty()) {
    errors.Required(path.Child("namespace"));
  } else {
    errors.Invalid(path.Child("namespace"), metadata.namespace_(),
                   DnsLabelProblems(metadata.namespace_()));
  }
  errors.NonNegative(path.Child("generation"), metadata.generation());
  CheckLabels(metadata.labels(), path.Child("labels"), errors);
  CheckAnnotations(metadata.annotations(), path.Child("annotations"), errors);
  CheckOwners(metadata, path.Child("ownerReferences"), errors);
  CheckFinalizers(metadata, path.Child("finalizers"), errors);
  CheckManagedFields(metadata, path.Child("managedFields"), errors);
}

}  // namespace kubelet::api
