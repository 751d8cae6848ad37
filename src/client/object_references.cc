#include "kubelet/client/object_cache.h"

namespace kubelet::client {
namespace {

namespace core = api::core;
using Names = std::map<std::string, bool>;

void Add(Names& names, const std::string& name, bool by_volume) {
  if (!name.empty()) names[name] |= by_volume;
}

template <typename Source>
const std::string& NameOf(const Source& source) {
  return source.local_object_reference().name();
}

// A container of any of the three kinds.
template <typename Container>
void AddEnvironment(const Container& container, ObjectReferences& out) {
  for (const auto& from : container.env_from()) {
    if (from.has_config_map_ref()) Add(out.config_maps, NameOf(from.config_map_ref()), false);
    if (from.has_secret_ref()) Add(out.secrets, NameOf(from.secret_ref()), false);
  }
  for (const auto& variable : container.env()) {
    const auto& from = variable.value_from();
    if (from.has_config_map_key_ref()) {
      Add(out.config_maps, NameOf(from.config_map_key_ref()), false);
    }
    if (from.has_secret_key_ref()) Add(out.secrets, NameOf(from.secret_key_ref()), false);
  }
}

// Secrets with which storage is mounted are read once, as those of a container's start.
void AddStorageSecrets(const core::VolumeSource& source, Names& secrets) {
  Add(secrets, source.azure_file().secret_name(), false);
  Add(secrets, source.cephfs().secret_ref().name(), false);
  Add(secrets, source.cinder().secret_ref().name(), false);
  Add(secrets, source.flex_volume().secret_ref().name(), false);
  Add(secrets, source.rbd().secret_ref().name(), false);
  Add(secrets, source.scale_io().secret_ref().name(), false);
  Add(secrets, source.iscsi().secret_ref().name(), false);
  Add(secrets, source.storageos().secret_ref().name(), false);
  Add(secrets, source.csi().node_publish_secret_ref().name(), false);
}

}  // namespace

ObjectReferences ReferencedObjects(const core::Pod& pod) {
  ObjectReferences out;
  const auto& spec = pod.spec();
  for (const auto& secret : spec.image_pull_secrets()) Add(out.secrets, secret.name(), false);
  for (const auto& container : spec.init_containers()) AddEnvironment(container, out);
  for (const auto& container : spec.containers()) AddEnvironment(container, out);
  for (const auto& container : spec.ephemeral_containers()) {
    AddEnvironment(container.ephemeral_container_common(), out);
  }
  for (const auto& volume : spec.volumes()) {
    const auto& source = volume.volume_source();
    Add(out.secrets, source.secret().secret_name(), true);
    Add(out.config_maps, NameOf(source.config_map()), true);
    for (const auto& projection : source.projected().sources()) {
      Add(out.secrets, NameOf(projection.secret()), true);
      Add(out.config_maps, NameOf(projection.config_map()), true);
    }
    AddStorageSecrets(source, out.secrets);
  }
  return out;
}

}  // namespace kubelet::client
