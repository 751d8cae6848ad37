#include <algorithm>
#include <cctype>

#include "api/validation_checks.h"

namespace kubelet::api {
namespace {

using Source = core::VolumeSource;

bool AsciiAlnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 && c > 0; }

// `prefix`, one character, then `length` letters or digits.
bool IsNumberedName(const std::string& name, size_t length) {
  return name.size() == 4 + length && std::all_of(name.begin() + 4, name.end(), AsciiAlnum);
}

// iqn.YYYY-MM.domain:something, anywhere in the text.
bool HoldsIqn(const std::string& name) {
  for (size_t at = name.find("iqn."); at != name.npos; at = name.find("iqn.", at + 1)) {
    static constexpr char kPattern[] = "iqn.dddd-dd.";
    size_t i = 0;
    for (; kPattern[i] != '\0' && at + i < name.size(); ++i) {
      char c = name[at + i];
      if (kPattern[i] == 'd' ? !(c >= '0' && c <= '9') : c != kPattern[i]) break;
    }
    if (kPattern[i] != '\0') continue;
    size_t domain = at + i, colon = domain;
    while (colon < name.size() &&
           (AsciiAlnum(name[colon]) || name[colon] == '-' || name[colon] == '.')) {
      ++colon;
    }
    if (colon == domain || colon + 1 >= name.size() || name[colon] != ':') continue;
    if (name.find_first_of(",;*&$| \t\n\r\f\v", colon + 1) == name.npos) return true;
  }
  return false;
}

void CheckInitiator(const std::string& name, const Path& path, Errors& errors) {
  bool ok = true;
  if (StartsWith(name, "iqn")) {
    ok = HoldsIqn(name);
  } else if (StartsWith(name, "eui")) {
    ok = IsNumberedName(name, 16);
  } else if (StartsWith(name, "naa")) {
    ok = IsNumberedName(name, 32);
  } else {
    return errors.Invalid(path, name, "must be valid format starting with iqn, eui, or naa");
  }
  if (!ok) errors.Invalid(path, name, "must be valid format");
}

void CheckSecretName(bool present, const std::string& name, const Path& path, Errors& errors) {
  if (present) errors.NonEmpty(path.Child("secretRef").Child("name"), name);
}

void CheckGitRepo(const Source& source, const Path& path, Errors& errors) {
  errors.NonEmpty(path.Child("repository"), source.git_repo().repository());
  CheckDescendingPath(source.git_repo().directory(), path.Child("directory"), errors);
}

void CheckGce(const Source& source, const Path& path, Errors& errors) {
  errors.NonEmpty(path.Child("pdName"), source.gce_persistent_disk().pd_name());
  errors.InRange(path.Child("partition"), source.gce_persistent_disk().partition(), 0, 255);
}

void CheckAws(const Source& source, const Path& path, Errors& errors) {
  errors.NonEmpty(path.Child("volumeID"), source.aws_elastic_block_store().volume_id());
  errors.InRange(path.Child("partition"), source.aws_elastic_block_store().partition(), 0, 255);
}

void CheckIscsi(const Source& source, const Path& path, Errors& errors) {
  const core::ISCSIVolumeSource& iscsi = source.iscsi();
  errors.NonEmpty(path.Child("targetPortal"), iscsi.target_portal());
  if (iscsi.iqn().empty()) {
    errors.Required(path.Child("iqn"));
  } else {
    CheckInitiator(iscsi.iqn(), path.Child("iqn"), errors);
  }
  errors.InRange(path.Child("lun"), iscsi.lun(), 0, 255);
  bool chap = iscsi.chap_auth_discovery() || iscsi.chap_auth_session();
  if (chap && !iscsi.has_secret_ref()) errors.Required(path.Child("secretRef"));
  if (iscsi.has_initiator_name()) {
    CheckInitiator(iscsi.initiator_name(), path.Child("initiatorName"), errors);
  }
}

void CheckGlusterfs(const Source& source, const Path& path, Errors& errors) {
  errors.NonEmpty(path.Child("endpoints"), source.glusterfs().endpoints());
  errors.NonEmpty(path.Child("path"), source.glusterfs().path());
}

void CheckFlocker(const Source& source, const Path& path, Errors& errors) {
  const core::FlockerVolumeSource& flocker = source.flocker();
  bool name = !flocker.dataset_name().empty(), uuid = !flocker.dataset_uuid().empty();
  if (!name && !uuid) errors.Required(path, "one of datasetName and datasetUUID is required");
  if (name && uuid)
    errors.Invalid(path, "resource", "datasetName and datasetUUID exclude each other");
  if (flocker.dataset_name().find('/') != std::string::npos) {
    errors.Invalid(path.Child("datasetName"), flocker.dataset_name(), "must not contain '/'");
  }
}

void CheckRbd(const Source& source, const Path& path, Errors& errors) {
  if (source.rbd().monitors().empty()) errors.Required(path.Child("monitors"));
  errors.NonEmpty(path.Child("image"), source.rbd().image());
}

void CheckCinder(const Source& source, const Path& path, Errors& errors) {
  errors.NonEmpty(path.Child("volumeID"), source.cinder().volume_id());
  CheckSecretName(source.cinder().has_secret_ref(), source.cinder().secret_ref().name(), path,
                  errors);
}

void CheckCephFs(const Source& source, const Path& path, Errors& errors) {
  if (source.cephfs().monitors().empty()) errors.Required(path.Child("monitors"));
}

// host:port, with an IPv6 host in brackets.
bool IsHostPort(const std::string& pair) {
  size_t colon = pair.rfind(':');
  if (colon == pair.npos) return false;
  std::string host = pair.substr(0, colon);
  if (host.empty() || host.front() != '[') {
    return host.find_first_of(":[]") == host.npos && pair.find_first_of("[]", colon) == pair.npos;
  }
  return host.find(']') == host.size() - 1 && host.rfind('[') == 0 &&
         pair.find_first_of("[]", colon) == pair.npos;
}

void CheckQuobyte(const Source& source, const Path& path, Errors& errors) {
  const core::QuobyteVolumeSource& quobyte = source.quobyte();
  static constexpr char kPairs[] = "must be a host:port pair or several separated by commas";
  if (quobyte.registry().empty()) {
    errors.Required(path.Child("registry"), kPairs);
  } else if (quobyte.tenant().size() > 64) {
    errors.Required(path.Child("tenant"), "must be a UUID of at most 64 characters");
  } else {
    for (const std::string& pair : Split(quobyte.registry(), ',')) {
      if (!IsHostPort(pair)) errors.Invalid(path.Child("registry"), quobyte.registry(), kPairs);
    }
  }
  errors.NonEmpty(path.Child("volume"), quobyte.volume());
}

void CheckFc(const Source& source, const Path& path, Errors& errors) {
  const core::FCVolumeSource& fc = source.fc();
  bool names = !fc.target_wwns().empty(), ids = !fc.wwids().empty();
  Path at = path.Child("targetWWNs");
  if (!names && !ids) errors.Required(at, "must specify either targetWWNs or wwids, but not both");
  if (names && ids)
    errors.Invalid(at, fc.target_wwns(0), "targetWWNs and wwids exclude each other");
  if (!names) return;
  if (!fc.has_lun()) {
    errors.Required(path.Child("lun"), "lun is required if targetWWNs is specified");
  } else {
    errors.InRange(path.Child("lun"), fc.lun(), 0, 255);
  }
}

void CheckFlex(const Source& source, const Path& path, Errors& errors) {
  errors.NonEmpty(path.Child("driver"), source.flex_volume().driver());
  for (const auto& [key, value] : Sorted(source.flex_volume().options())) {
    std::string space = "." + Lower(key.substr(0, key.find('/')));
    auto ends = [&space](std::string_view suffix) {
      return space.size() >= suffix.size() &&
             std::string_view(space).substr(space.size() - suffix.size()) == suffix;
    };
    if (ends(".kubernetes.io") || ends(".k8s.io")) {
      errors.Invalid(path.Child("options").Key(key), key,
                     "kubernetes.io and k8s.io namespaces are reserved");
    }
  }
}

void CheckAzureFile(const Source& source, const Path& path, Errors& errors) {
  errors.NonEmpty(path.Child("secretName"), source.azure_file().secret_name());
  errors.NonEmpty(path.Child("shareName"), source.azure_file().share_name());
}

void CheckAzureDisk(const Source& source, const Path& path, Errors& errors) {
  const core::AzureDiskVolumeSource& disk = source.azure_disk();
  errors.NonEmpty(path.Child("diskName"), disk.disk_name());
  errors.NonEmpty(path.Child("diskURI"), disk.disk_uri());
  if (disk.has_caching_mode()) {
    errors.OneOf(path.Child("cachingMode"), disk.caching_mode(), {"None", "ReadOnly", "ReadWrite"});
  }
  if (!disk.has_kind()) return;
  errors.OneOf(path.Child("kind"), disk.kind(), {"Dedicated", "Managed", "Shared"});
  bool managed = disk.kind() == "Managed";
  if (StartsWith(disk.disk_uri(), managed ? "/subscriptions/" : "https://")) return;
  errors.NotSupported(
      path.Child("diskURI"), disk.disk_uri(),
      {managed ? "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/"
                 "microsoft.compute/disks/{disk-id}"
               : "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"});
}

void CheckVsphere(const Source& source, const Path& path, Errors& errors) {
  errors.NonEmpty(path.Child("volumePath"), source.vsphere_volume().volume_path());
}

void CheckPhoton(const Source& source, const Path& path, Errors& errors) {
  errors.NonEmpty(path.Child("pdID"), source.photon_persistent_disk().pd_id());
}

void CheckPortworx(const Source& source, const Path& path, Errors& errors) {
  errors.NonEmpty(path.Child("volumeID"), source.portworx_volume().volume_id());
}

void CheckScaleIo(const Source& source, const Path& path, Errors& errors) {
  errors.NonEmpty(path.Child("gateway"), source.scale_io().gateway());
  errors.NonEmpty(path.Child("system"), source.scale_io().system());
  errors.NonEmpty(path.Child("volumeName"), source.scale_io().volume_name());
}

void CheckStorageOs(const Source& source, const Path& path, Errors& errors) {
  const core::StorageOSVolumeSource& storage = source.storageos();
  if (storage.volume_name().empty()) {
    errors.Required(path.Child("volumeName"));
  } else {
    errors.Invalid(path.Child("volumeName"), storage.volume_name(),
                   DnsLabelProblems(storage.volume_name()));
  }
  if (!storage.volume_namespace().empty()) {
    errors.Invalid(path.Child("volumeNamespace"), storage.volume_namespace(),
                   DnsLabelProblems(storage.volume_namespace()));
  }
  CheckSecretName(storage.has_secret_ref(), storage.secret_ref().name(), path, errors);
}

}  // namespace

VolumeCheck RemoteVolumeCheck(int field_number) {
  switch (field_number) {
    case Source::kGcePersistentDiskFieldNumber:
      return CheckGce;
    case Source::kAwsElasticBlockStoreFieldNumber:
      return CheckAws;
    case Source::kGitRepoFieldNumber:
      return CheckGitRepo;
    case Source::kIscsiFieldNumber:
      return CheckIscsi;
    case Source::kGlusterfsFieldNumber:
      return CheckGlusterfs;
    case Source::kRbdFieldNumber:
      return CheckRbd;
    case Source::kFlexVolumeFieldNumber:
      return CheckFlex;
    case Source::kCinderFieldNumber:
      return CheckCinder;
    case Source::kCephfsFieldNumber:
      return CheckCephFs;
    case Source::kFlockerFieldNumber:
      return CheckFlocker;
    case Source::kFcFieldNumber:
      return CheckFc;
    case Source::kAzureFileFieldNumber:
      return CheckAzureFile;
    case Source::kVsphereVolumeFieldNumber:
      return CheckVsphere;
    case Source::kQuobyteFieldNumber:
      return CheckQuobyte;
    case Source::kAzureDiskFieldNumber:
      return CheckAzureDisk;
    case Source::kPhotonPersistentDiskFieldNumber:
      return CheckPhoton;
    case Source::kPortworxVolumeFieldNumber:
      return CheckPortworx;
    case Source::kScaleIoFieldNumber:
      return CheckScaleIo;
    case Source::kStorageosFieldNumber:
      return CheckStorageOs;
    default:
      return nullptr;
  }
}

}  // namespace kubelet::api
