// Images and statistics of a FakeCriServer. Numbers are made up, but plausible and steady.
#include <functional>

#include "fakes/cri_server_state.h"

namespace kubelet::fakes {
namespace {

std::string ImageId(const std::string& name) {
  // Four different 64-bit hashes make something that looks like a digest.
  char text[80];
  size_t h[4];
  for (int i = 0; i < 4; ++i) h[i] = std::hash<std::string>()(name + static_cast<char>('a' + i));
  std::snprintf(text, sizeof(text), "sha256:%016zx%016zx%016zx%016zx", h[0], h[1], h[2], h[3]);
  return text;
}

std::string Repository(const std::string& name) {
  std::string repository = name.substr(0, name.find('@'));
  size_t colon = repository.find_last_of(':');
  size_t slash = repository.find_last_of('/');
  if (colon != std::string::npos && (slash == std::string::npos || colon > slash))
    repository.erase(colon);
  return repository;
}

uint64_t Nanoseconds(int64_t now, int64_t since) {
  return now > since ? static_cast<uint64_t>(now - since) : 0;
}

int64_t WallNow() {
  return std::chrono::duration_cast<Nanos>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void FillCpuAndMemory(int64_t running_for, int64_t now, v1::CpuUsage* cpu,
                      v1::MemoryUsage* memory) {
  cpu->set_timestamp(now);
  cpu->mutable_usage_core_nano_seconds()->set_value(static_cast<uint64_t>(running_for) / 1000);
  cpu->mutable_usage_nano_cores()->set_value(1'000'000);
  memory->set_timestamp(now);
  memory->mutable_working_set_bytes()->set_value(4 << 20);
  memory->mutable_usage_bytes()->set_value(5 << 20);
  memory->mutable_rss_bytes()->set_value(3 << 20);
  memory->mutable_available_bytes()->set_value(0);
  memory->mutable_page_faults()->set_value(100);
  memory->mutable_major_page_faults()->set_value(0);
}

}  // namespace

CriState::ImageRecord& CriState::EnsureImageLocked(const std::string& name) {
  auto [it, inserted] = images_.try_emplace(name);
  auto& image = it->second.image;
  if (inserted || image.id().empty()) {
    image.set_id(ImageId(name));
    bool digest = name.find('@') != std::string::npos;
    if (!digest) image.add_repo_tags(name);
    image.add_repo_digests(digest ? name : Repository(name) + "@" + image.id());
    image.set_size(it->second.spec.size);
    image.mutable_spec()->set_image(image.id());
  }
  return it->second;
}

void CriState::AddImage(const std::string& name, FakeCriServer::ImageSpec spec) {
  Lock lock(mutex_);
  images_.erase(name);
  auto& record = EnsureImageLocked(name);
  record.spec = spec;
  record.image.set_size(spec.size);
  if (spec.uid) record.image.mutable_uid()->set_value(*spec.uid);
  record.image.set_username(spec.username);
  record.image.set_pinned(spec.pinned);
}

grpc::Status CriState::Pull(const v1::PullImageRequest& request, v1::PullImageResponse* out) {
  Lock lock(mutex_);
  const std::string& name = request.image().image();
  auto it = images_.find(name);
  if (it == images_.end() && !options_.any_image) {
    return {grpc::StatusCode::NOT_FOUND,
            "failed to pull and unpack image \"" + name + "\": " + name + ": not found"};
  }
  auto& record = EnsureImageLocked(name);
  if (!record.spec.need_password.empty() &&
      (request.auth().username() != record.spec.need_username ||
       request.auth().password() != record.spec.need_password)) {
    return {grpc::StatusCode::UNKNOWN,
            "failed to pull and unpack image \"" + name +
                "\": pull access denied, repository does not exist or may require "
                "authorization: authorization failed: no basic auth credentials"};
  }
  record.spec.present = true;
  out->set_image_ref(record.image.id());
  return grpc::Status::OK;
}

std::optional<v1::Image> CriState::FindImage(const std::string& name) {
  Lock lock(mutex_);
  for (const auto& [key, record] : images_) {
    if (record.spec.present && record.image.id() == name) return record.image;
  }
  auto it = images_.find(name);
  if (it != images_.end()) {
    if (!it->second.spec.present) return std::nullopt;
    return it->second.image;
  }
  if (!options_.any_image || name.empty()) return std::nullopt;
  return EnsureImageLocked(name).image;
}

void CriState::ListImages(const v1::ImageFilter& filter, v1::ListImagesResponse* out) {
  Lock lock(mutex_);
  for (const auto& [name, record] : images_) {
    const std::string& wanted = filter.image().image();
    if (!record.spec.present || (!wanted.empty() && wanted != name && wanted != record.image.id()))
      continue;
    *out->add_images() = record.image;
  }
}

void CriState::RemoveImage(const std::string& name) {
  Lock lock(mutex_);
  // It stays known: the registry still has it, with its credentials.
  for (auto& [key, record] : images_) {
    if (key == name || record.image.id() == name) record.spec.present = false;
  }
}

void CriState::FsInfo(v1::ImageFsInfoResponse* out) const {
  Lock lock(mutex_);
  uint64_t used = 0;
  for (const auto& [name, record] : images_) used += record.spec.present ? record.image.size() : 0;
  for (auto* usage : {out->add_image_filesystems(), out->add_container_filesystems()}) {
    usage->set_timestamp(WallNow());
    usage->mutable_fs_id()->set_mountpoint(options_.image_mountpoint);
    usage->mutable_used_bytes()->set_value(used);
    usage->mutable_inodes_used()->set_value(10 * images_.size());
  }
}

v1::ContainerStats CriState::StatsLocked(const ContainerRecord& container) const {
  v1::ContainerStats out;
  const auto& status = container.status;
  out.mutable_attributes()->set_id(status.id());
  *out.mutable_attributes()->mutable_metadata() = status.metadata();
  *out.mutable_attributes()->mutable_labels() = status.labels();
  *out.mutable_attributes()->mutable_annotations() = status.annotations();
  int64_t now = WallNow();
  out.mutable_writable_layer()->set_timestamp(now);
  out.mutable_writable_layer()->mutable_fs_id()->set_mountpoint(options_.image_mountpoint);
  out.mutable_writable_layer()->mutable_used_bytes()->set_value(4096);
  out.mutable_writable_layer()->mutable_inodes_used()->set_value(2);
  if (status.state() == v1::CONTAINER_RUNNING) {
    FillCpuAndMemory(Nanoseconds(now, status.started_at()), now, out.mutable_cpu(),
                     out.mutable_memory());
    out.mutable_swap()->set_timestamp(now);
    out.mutable_swap()->mutable_swap_usage_bytes()->set_value(0);
  }
  return out;
}

void CriState::Stats(const v1::ContainerStatsFilter& filter,
                     v1::ListContainerStatsResponse* out) const {
  Lock lock(mutex_);
  for (const auto& [id, container] : containers_) {
    if (!filter.id().empty() && id != filter.id()) continue;
    if (!filter.pod_sandbox_id().empty() && container.sandbox_id != filter.pod_sandbox_id())
      continue;
    if (!LabelsMatch(container.status.labels(), filter.label_selector())) continue;
    *out->add_stats() = StatsLocked(container);
  }
}

void CriState::SandboxStats(const v1::PodSandboxStatsFilter& filter,
                            v1::ListPodSandboxStatsResponse* out) const {
  Lock lock(mutex_);
  for (const auto& [id, sandbox] : sandboxes_) {
    if (!filter.id().empty() && id != filter.id()) continue;
    if (!LabelsMatch(sandbox.status.labels(), filter.label_selector())) continue;
    auto* stats = out->add_stats();
    stats->mutable_attributes()->set_id(id);
    *stats->mutable_attributes()->mutable_metadata() = sandbox.status.metadata();
    *stats->mutable_attributes()->mutable_labels() = sandbox.status.labels();
    *stats->mutable_attributes()->mutable_annotations() = sandbox.status.annotations();
    auto* part = stats->mutable_linux();
    int64_t now = WallNow();
    FillCpuAndMemory(Nanoseconds(now, sandbox.status.created_at()), now, part->mutable_cpu(),
                     part->mutable_memory());
    part->mutable_network()->set_timestamp(now);
    auto* eth0 = part->mutable_network()->mutable_default_interface();
    eth0->set_name("eth0");
    eth0->mutable_rx_bytes()->set_value(1000);
    eth0->mutable_tx_bytes()->set_value(1000);
    part->mutable_process()->set_timestamp(now);
    part->mutable_process()->mutable_process_count()->set_value(1);
    for (const auto& [container_id, container] : containers_) {
      if (container.sandbox_id == id) *part->add_containers() = StatsLocked(container);
    }
  }
}

void CriState::FillMetricDescriptors(v1::ListMetricDescriptorsResponse* out) {
  auto* received = out->add_descriptors();
  received->set_name("container_network_receive_bytes_total");
  received->set_help("Cumulative count of bytes received");
  for (const char* key : {"id", "interface"}) received->add_label_keys(key);
  auto* used = out->add_descriptors();
  used->set_name("container_memory_working_set_bytes");
  used->set_help("Current working set in bytes.");
  used->add_label_keys("id");
}

void CriState::SandboxMetrics(v1::ListPodSandboxMetricsResponse* out) const {
  Lock lock(mutex_);
  int64_t now = WallNow();
  for (const auto& [id, sandbox] : sandboxes_) {
    auto* pod = out->add_pod_metrics();
    pod->set_pod_sandbox_id(id);
    auto* received = pod->add_metrics();
    received->set_name("container_network_receive_bytes_total");
    received->set_timestamp(now);
    received->set_metric_type(v1::COUNTER);
    for (const std::string& value : {id, std::string("eth0")}) received->add_label_values(value);
    received->mutable_value()->set_value(1000);
    for (const auto& [container_id, container] : containers_) {
      if (container.sandbox_id != id) continue;
      auto* of_container = pod->add_container_metrics();
      of_container->set_container_id(container_id);
      auto* used = of_container->add_metrics();
      used->set_name("container_memory_working_set_bytes");
      used->set_timestamp(now);
      used->set_metric_type(v1::GAUGE);
      used->add_label_values(container_id);
      used->mutable_value()->set_value(4 << 20);
    }
  }
}

}  // namespace kubelet::fakes
