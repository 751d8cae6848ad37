#include <string>
#include <vector>

#include "kubelet/api/validation.h"

namespace kubelet::api {
namespace {

using Field = google::protobuf::FieldDescriptor;

template <typename Container>
bool EnvNames(const Container& container, bool secrets) {
  for (const core::EnvFromSource& from : container.env_from()) {
    const core::LocalObjectReference& ref = secrets
                                                ? from.secret_ref().local_object_reference()
                                                : from.config_map_ref().local_object_reference();
    if (!ref.name().empty()) return true;
  }
  for (const core::EnvVar& env : container.env()) {
    const core::EnvVarSource& from = env.value_from();
    const core::LocalObjectReference& ref =
        secrets ? from.secret_key_ref().local_object_reference()
                : from.config_map_key_ref().local_object_reference();
    if (!ref.name().empty()) return true;
  }
  return false;
}

bool AnyContainerNames(const core::PodSpec& spec, bool secrets) {
  for (const auto& container : spec.init_containers()) {
    if (EnvNames(container, secrets)) return true;
  }
  for (const auto& container : spec.containers()) {
    if (EnvNames(container, secrets)) return true;
  }
  for (const auto& container : spec.ephemeral_containers()) {
    if (EnvNames(container.ephemeral_container_common(), secrets)) return true;
  }
  return false;
}

bool VolumeNamesSecret(const core::VolumeSource& source) {
  const std::string* plain[] = {
      &source.azure_file().secret_name(),        &source.secret().secret_name(),
      &source.cephfs().secret_ref().name(),      &source.cinder().secret_ref().name(),
      &source.flex_volume().secret_ref().name(), &source.rbd().secret_ref().name(),
      &source.scale_io().secret_ref().name(),    &source.iscsi().secret_ref().name(),
      &source.storageos().secret_ref().name(),   &source.csi().node_publish_secret_ref().name(),
  };
  for (const std::string* name : plain) {
    if (!name->empty()) return true;
  }
  for (const auto& projection : source.projected().sources()) {
    if (!projection.secret().local_object_reference().name().empty()) return true;
  }
  return false;
}

bool VolumeNamesConfigMap(const core::VolumeSource& source) {
  if (!source.config_map().local_object_reference().name().empty()) return true;
  for (const auto& projection : source.projected().sources()) {
    if (!projection.config_map().local_object_reference().name().empty()) return true;
  }
  return false;
}

bool NamesSecret(const core::PodSpec& spec) {
  for (const auto& ref : spec.image_pull_secrets()) {
    if (!ref.name().empty()) return true;
  }
  if (AnyContainerNames(spec, /*secrets=*/true)) return true;
  for (const auto& volume : spec.volumes()) {
    if (VolumeNamesSecret(volume.volume_source())) return true;
  }
  return false;
}

bool NamesConfigMap(const core::PodSpec& spec) {
  if (AnyContainerNames(spec, /*secrets=*/false)) return true;
  for (const auto& volume : spec.volumes()) {
    if (VolumeNamesConfigMap(volume.volume_source())) return true;
  }
  return false;
}

std::string ProjectedReference(const core::ProjectedVolumeSource& projected) {
  for (const auto& source : projected.sources()) {
    if (source.has_config_map()) return "configmaps (via projected volumes)";
    if (source.has_secret()) return "secrets (via projected volumes)";
    if (source.has_service_account_token()) return "serviceaccounts (via projected volumes)";
    if (source.has_cluster_trust_bundle()) return "clustertrustbundles";
    if (source.has_pod_certificate()) return "podcertificates";
  }
  return "";
}

std::string VolumeReference(const core::VolumeSource& source) {
  if (source.has_config_map()) return "configmaps (via configmap volumes)";
  if (source.has_secret()) return "secrets (via secret volumes)";
  if (source.has_csi()) return "csidrivers (via CSI volumes)";
  if (source.has_glusterfs()) return "endpoints (via glusterFS volumes)";
  if (source.has_persistent_volume_claim()) return "persistentvolumeclaims";
  if (source.has_ephemeral()) return "persistentvolumeclaims (via ephemeral volumes)";
  if (source.has_azure_file()) return "secrets (via azureFile volumes)";
  return ProjectedReference(source.projected());
}

std::string Reference(const core::PodSpec& spec) {
  if (!spec.service_account_name().empty() || !spec.service_account().empty()) {
    return "serviceaccounts";
  }
  if (NamesSecret(spec)) return "secrets";
  if (NamesConfigMap(spec)) return "configmaps";
  if (!spec.resource_claims().empty()) return "resourceclaims";
  for (const auto& volume : spec.volumes()) {
    std::string reference = VolumeReference(volume.volume_source());
    if (!reference.empty()) return reference;
  }
  return "";
}

// Kinds this code does not know are kinds of a newer API: nothing can be said about what they
// reference.
std::string UnknownKind(const core::PodSpec& spec) {
  for (const auto& volume : spec.volumes()) {
    std::vector<const Field*> set;
    const core::VolumeSource& source = volume.volume_source();
    source.GetReflection()->ListFields(source, &set);
    if (set.empty()) return "unknown volume type for volume \"" + volume.name() + "\"";
    for (const auto& projection : source.projected().sources()) {
      set.clear();
      projection.GetReflection()->ListFields(projection, &set);
      if (set.empty()) return "unknown source for projected volume \"" + volume.name() + "\"";
    }
  }
  return "";
}

template <typename Container>
void DropEnvironment(Container& container) {
  auto& env = *container.mutable_env();
  for (int i = env.size() - 1; i >= 0; --i) {
    const auto& from = env.Get(i).value_from();
    if (from.has_config_map_key_ref() || from.has_secret_key_ref()) env.DeleteSubrange(i, 1);
  }
  container.clear_env_from();
}

void DropSources(core::ProjectedVolumeSource& projected) {
  auto& sources = *projected.mutable_sources();
  for (int i = sources.size() - 1; i >= 0; --i) {
    if (sources.Get(i).has_config_map() || sources.Get(i).has_secret())
      sources.DeleteSubrange(i, 1);
  }
}

}  // namespace

core::Pod WithoutObjectReferences(const core::Pod& pod) {
  core::Pod out = pod;
  core::PodSpec& spec = *out.mutable_spec();
  for (auto& container : *spec.mutable_init_containers()) DropEnvironment(container);
  for (auto& container : *spec.mutable_containers()) DropEnvironment(container);
  for (auto& container : *spec.mutable_ephemeral_containers())
    DropEnvironment(*container.mutable_ephemeral_container_common());
  for (auto& volume : *spec.mutable_volumes()) {
    core::VolumeSource& source = *volume.mutable_volume_source();
    if (source.has_config_map() || source.has_secret()) {
      source.Clear();
      source.mutable_empty_dir();
    } else if (source.has_projected()) {
      DropSources(*source.mutable_projected());
    }
  }
  return out;
}

std::string StaticPodReference(const core::Pod& pod) {
  std::string reference = Reference(pod.spec());
  if (!reference.empty()) return "static pods may not reference " + reference;
  return UnknownKind(pod.spec());
}

}  // namespace kubelet::api
