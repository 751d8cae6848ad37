#include <algorithm>

#include "api/validation_checks.h"

namespace kubelet::api {
namespace {

using Source = core::VolumeSource;

constexpr char kOneType[] = "may not specify more than 1 volume type";

void CheckItems(const google::protobuf::RepeatedPtrField<core::KeyToPath>& items, const Path& path,
                Errors& errors) {
  for (int i = 0; i < items.size(); ++i) CheckKeyToPath(items[i], path.Index(i), errors);
}

void CheckEmptyDir(const Source& source, const Path& path, Errors& errors) {
  const core::EmptyDirVolumeSource& dir = source.empty_dir();
  if (dir.has_size_limit() && Quantity::From(dir.size_limit()).Sign() < 0) {
    errors.Forbidden(path.Child("sizeLimit"), "must not be negative");
  }
}

void CheckHostPath(const Source& source, const Path& path, Errors& errors) {
  const core::HostPathVolumeSource& host = source.host_path();
  if (host.path().empty()) return errors.Required(path.Child("path"));
  CheckNoBackstep(host.path(), path.Child("path"), errors);
  static const std::vector<std::string> kTypes = {
      "",     "BlockDevice",  "CharDevice", "Directory", "DirectoryOrCreate",
      "File", "FileOrCreate", "Socket"};
  if (std::find(kTypes.begin(), kTypes.end(), host.type()) == kTypes.end()) {
    errors.NotSupported(path.Child("type"), host.type(), kTypes);
  }
}

void CheckSecret(const Source& source, const Path& path, Errors& errors) {
  const core::SecretVolumeSource& secret = source.secret();
  errors.NonEmpty(path.Child("secretName"), secret.secret_name());
  CheckFileMode(secret.has_default_mode(), secret.default_mode(), path.Child("defaultMode"),
                errors);
  CheckItems(secret.items(), path.Child("items"), errors);
}

void CheckConfigMap(const Source& source, const Path& path, Errors& errors) {
  const core::ConfigMapVolumeSource& map = source.config_map();
  errors.NonEmpty(path.Child("name"), map.local_object_reference().name());
  CheckFileMode(map.has_default_mode(), map.default_mode(), path.Child("defaultMode"), errors);
  CheckItems(map.items(), path.Child("items"), errors);
}

void CheckPersistentClaim(const Source& source, const Path& path, Errors& errors) {
  errors.NonEmpty(path.Child("claimName"), source.persistent_volume_claim().claim_name());
}

void CheckNfs(const Source& source, const Path& path, Errors& errors) {
  const core::NFSVolumeSource& nfs = source.nfs();
  errors.NonEmpty(path.Child("server"), nfs.server());
  errors.NonEmpty(path.Child("path"), nfs.path());
  if (!StartsWith(nfs.path(), "/")) {
    errors.Invalid(path.Child("path"), nfs.path(), "must be an absolute path");
  }
}

void CheckDownward(const Source& source, const Path& path, Errors& errors) {
  const core::DownwardAPIVolumeSource& downward = source.downward_api();
  CheckFileMode(downward.has_default_mode(), downward.default_mode(), path.Child("defaultMode"),
                errors);
  for (int i = 0; i < downward.items_size(); ++i) {
    CheckDownwardFile(downward.items(i), path.Child("items").Index(i), errors);
  }
}

void CheckProjectedSource(const Source& source, const Path& path, Errors& errors) {
  CheckProjected(source.projected(), path, errors);
}

void CheckCsi(const Source& source, const Path& path, Errors& errors) {
  const core::CSIVolumeSource& csi = source.csi();
  constexpr size_t kDriverMax = 63;
  if (csi.driver().empty()) {
    errors.Required(path.Child("driver"));
  } else {
    if (csi.driver().size() > kDriverMax) errors.TooLong(path.Child("driver"), kDriverMax);
    errors.Invalid(path.Child("driver"), csi.driver(), DnsSubdomainProblems(Lower(csi.driver())));
  }
  if (!csi.has_node_publish_secret_ref()) return;
  const std::string& secret = csi.node_publish_secret_ref().name();
  Path at = path.Child("nodePublishSecretRef").Child("name");
  if (secret.empty()) return errors.Required(at);
  errors.Invalid(at, secret, DnsSubdomainProblems(secret));
}

void CheckEphemeral(const Source& source, const Path& path, Errors& errors) {
  if (!source.ephemeral().has_volume_claim_template()) {
    return errors.Required(path.Child("volumeClaimTemplate"));
  }
  CheckClaimTemplate(source.ephemeral().volume_claim_template(), path.Child("volumeClaimTemplate"),
                     errors);
}

void CheckImage(const Source& source, const Path& path, Errors& errors) {
  errors.NonEmpty(path.Child("reference"), source.image().reference());
  errors.OneOf(path.Child("pullPolicy"), source.image().pull_policy(),
               {"Always", "IfNotPresent", "Never"});
}

VolumeCheck CheckFor(int field_number) {
  switch (field_number) {
    case Source::kEmptyDirFieldNumber:
      return CheckEmptyDir;
    case Source::kHostPathFieldNumber:
      return CheckHostPath;
    case Source::kSecretFieldNumber:
      return CheckSecret;
    case Source::kConfigMapFieldNumber:
      return CheckConfigMap;
    case Source::kPersistentVolumeClaimFieldNumber:
      return CheckPersistentClaim;
    case Source::kNfsFieldNumber:
      return CheckNfs;
    case Source::kDownwardApiFieldNumber:
      return CheckDownward;
    case Source::kProjectedFieldNumber:
      return CheckProjectedSource;
    case Source::kCsiFieldNumber:
      return CheckCsi;
    case Source::kEphemeralFieldNumber:
      return CheckEphemeral;
    case Source::kImageFieldNumber:
      return CheckImage;
    default:
      return RemoteVolumeCheck(field_number);
  }
}

// Exactly one source. `iscsi` has a limit that takes the volume's name in.
void CheckSource(const core::Volume& volume, const Path& path, Errors& errors) {
  const Source& source = volume.volume_source();
  std::vector<const google::protobuf::FieldDescriptor*> set;
  source.GetReflection()->ListFields(source, &set);
  if (set.empty()) return errors.Required(path, "must specify a volume type");
  for (size_t i = 0; i < set.size(); ++i) {
    Path at = path.Child(set[i]->json_name());
    if (i > 0) {
      errors.Forbidden(at, kOneType);
    } else if (VolumeCheck check = CheckFor(set[i]->number()); check != nullptr) {
      check(source, at, errors);
    }
  }
  if (source.iscsi().has_initiator_name() &&
      volume.name().size() + 1 + source.iscsi().target_portal().size() > 64) {
    errors.Invalid(path.Child("name"), volume.name(),
                   "<volume name>:<iscsi.targetPortal> must be under 64 characters together when "
                   "iscsi.initiatorName is specified");
  }
}

void CheckEphemeralClaimName(PodContext& pod, const core::Volume& volume, const Path& path) {
  const std::string& pod_name = pod.pod.metadata().name();
  if (!volume.volume_source().has_ephemeral() || pod_name.empty() || volume.name().empty()) return;
  std::string claim = pod_name + "-" + volume.name();
  for (const std::string& problem : DnsSubdomainProblems(claim)) {
    pod.errors.Invalid(path.Child("name"), volume.name(),
                       "PVC name " + Quoted(claim) + ": " + problem);
  }
}

// Claims that this pod's ephemeral volumes bring about.
std::set<std::string> EphemeralClaims(const core::Pod& pod) {
  std::set<std::string> names;
  if (pod.metadata().name().empty()) return names;
  for (const core::Volume& volume : pod.spec().volumes()) {
    if (volume.volume_source().has_ephemeral()) {
      names.insert(pod.metadata().name() + "-" + volume.name());
    }
  }
  return names;
}

}  // namespace

void CheckFileMode(bool present, int32_t mode, const Path& path, Errors& errors) {
  if (!present || (mode >= 0 && mode <= 0777)) return;
  errors.Invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive");
}

void CheckNoBackstep(const std::string& text, const Path& path, Errors& errors) {
  if (HasBackstep(text)) errors.Invalid(path, text, "must not contain '..'");
}

void CheckDescendingPath(const std::string& text, const Path& path, Errors& errors) {
  if (StartsWith(text, "/")) errors.Invalid(path, text, "must be a relative path");
  CheckNoBackstep(text, path, errors);
}

void CheckNonReservedPath(const std::string& text, const Path& path, Errors& errors) {
  CheckDescendingPath(text, path, errors);
  // `../` was reported above.
  if (StartsWith(text, "..") && !StartsWith(text, "../")) {
    errors.Invalid(path, text, "must not start with '..'");
  }
}

void CheckKeyToPath(const core::KeyToPath& item, const Path& path, Errors& errors) {
  errors.NonEmpty(path.Child("key"), item.key());
  errors.NonEmpty(path.Child("path"), item.path());
  CheckNonReservedPath(item.path(), path.Child("path"), errors);
  CheckFileMode(item.has_mode(), item.mode(), path.Child("mode"), errors);
}

void CheckDownwardFile(const core::DownwardAPIVolumeFile& file, const Path& path, Errors& errors) {
  static const std::vector<std::string> kFields = {"metadata.annotations", "metadata.labels",
                                                   "metadata.name", "metadata.namespace",
                                                   "metadata.uid"};
  errors.NonEmpty(path.Child("path"), file.path());
  CheckNonReservedPath(file.path(), path.Child("path"), errors);
  if (file.has_field_ref()) {
    CheckFieldRef(file.field_ref(), kFields, path.Child("fieldRef"), errors);
    if (file.has_resource_field_ref()) {
      errors.Invalid(path, "resource", "fieldRef and resourceFieldRef exclude each other");
    }
  } else if (file.has_resource_field_ref()) {
    CheckResourceFieldRef(file.resource_field_ref(), /*needs_container=*/true,
                          path.Child("resourceFieldRef"), errors);
  } else {
    errors.Required(path, "one of fieldRef and resourceFieldRef is required");
  }
  CheckFileMode(file.has_mode(), file.mode(), path.Child("mode"), errors);
}

void CheckVolumes(PodContext& pod, const Path& path) {
  std::set<std::string> created = EphemeralClaims(pod.pod);
  for (int i = 0; i < pod.spec.volumes_size(); ++i) {
    const core::Volume& volume = pod.spec.volumes(i);
    const Path at = path.Index(i);
    size_t before = pod.errors.size();
    CheckSource(volume, at, pod.errors);
    CheckEphemeralClaimName(pod, volume, at);
    if (volume.name().empty()) {
      pod.errors.Required(at.Child("name"));
    } else {
      pod.errors.Invalid(at.Child("name"), volume.name(), DnsLabelProblems(volume.name()));
    }
    if (pod.volumes.count(volume.name()) > 0) {
      pod.errors.Duplicate(at.Child("name"), volume.name());
    }
    if (pod.errors.size() == before) pod.volumes[volume.name()] = &volume.volume_source();
    const std::string& claim = volume.volume_source().persistent_volume_claim().claim_name();
    if (volume.volume_source().has_persistent_volume_claim() && created.count(claim) > 0) {
      pod.errors.Invalid(at.Child("persistentVolumeClaim").Child("claimName"), claim,
                         "is the claim of an ephemeral volume of this pod");
    }
  }
}

}  // namespace kubelet::api
