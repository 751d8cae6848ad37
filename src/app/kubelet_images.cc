// Images: how they are pulled, and when unused ones go.
#include <unistd.h>

#include <cstdlib>

#include "app/kubelet.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/signals.h"

namespace kubelet::app {

using base::Nanos;
using base::Task;
using std::chrono::seconds;

namespace {

std::string WorkingDirectory() {
  char buffer[4096];
  return getcwd(buffer, sizeof buffer) != nullptr ? buffer : "/";
}

std::string Home() {
  const char* home = std::getenv("HOME");
  return home != nullptr ? home : "";
}

absl::StatusOr<image::ManagerOptions> OptionsOf(const config::LoadedConfig& config) {
  const auto& kc = config.kubelet;
  const auto& flags = config.flags;
  image::ManagerOptions out;
  out.parallel_pulls = kc.serialize_image_pulls() ? 1 : kc.max_parallel_image_pulls();
  out.pull_qps = kc.registry_pull_qps();
  out.pull_burst = kc.registry_burst();
  out.handler_in_spec = config.gates.Enabled("RuntimeClassInImageCriApi");
  image::SetCredentialFiles(flags.root_dir, WorkingDirectory(), Home(), out);
  if (config.gates.Enabled("KubeletEnsureSecretPulledImages")) {
    const auto& allowlist = kc.preloaded_images_verification_allowlist();
    out.verify.dir = flags.root_dir + "/image_manager";
    out.verify.policy = image::VerifyPolicyOf(kc.image_pull_credentials_verification_policy());
    out.verify.allowlist.assign(allowlist.begin(), allowlist.end());
  }
  if (flags.image_credential_provider_config.empty()) return out;
  bool tokens = config.gates.Enabled("KubeletServiceAccountTokenForCredentialProviders");
  auto plugins = image::LoadPluginConfig(flags.image_credential_provider_config,
                                         flags.image_credential_provider_bin_dir, tokens);
  if (!plugins.ok()) {
    return base::Annotate(plugins.status(), "--image-credential-provider-config");
  }
  out.plugins = *std::move(plugins);
  return out;
}

}  // namespace

absl::Status Kubelet::MakeImages() {
  auto options = OptionsOf(config_);
  if (!options.ok()) return options.status();
  auto executor = io_.get_executor();
  image_list_ = std::make_unique<image::ImageList>(executor, clock_, *images_);
  image_manager_ = std::make_unique<image::ImageManager>(
      image::ImageManager::Deps{
          executor, clock_, *images_, [this](const std::string& uid) { workers_->Wake(uid); },
          [this](const auto& pod, const auto& event) { OnEvent(pod, event); }, &metrics_,
          cluster_.get(), &pool_,
          [this](const std::string& uid, const std::string& image, bool there) {
            if (!cluster_) return;
            auto& starts = cluster_->starts();
            there ? starts.PullEnded(uid, image) : starts.PullBegan(uid, image);
          }},
      *std::move(options));
  const auto& kc = config_.kubelet;
  image::ImageGc::Options gc;
  gc.min_age = Nanos(kc.image_minimum_gc_age().duration());
  gc.max_age = Nanos(kc.image_maximum_gc_age().duration());
  gc.high_percent = kc.image_gc_high_threshold_percent();
  gc.low_percent = kc.image_gc_low_threshold_percent();
  image::ImageGc::Deps deps{executor, clock_, *images_, *image_list_, {}, {}, {}, {}, &metrics_};
  deps.used = [this] { return UsedImages(); };
  deps.space = [this](std::string path) { return DiskSpaceOf(std::move(path)); };
  deps.on_warning = [this](const std::string& reason, const std::string& message) {
    LOG_WARNING("Event", "reason", reason, "message", message);
    if (cluster_) cluster_->RecordNodeEvent(true, reason, message);
  };
  deps.on_removed = [this](std::set<std::string> left, base::WallTime since) {
    return image_manager_->Removed(std::move(left), since);
  };
  image_gc_ = std::make_unique<image::ImageGc>(std::move(deps), gc);
  return absl::OkStatus();
}

// nullopt while it is not known what the runtime runs.
std::optional<image::UsedImages> Kubelet::UsedImages() const {
  if (!pleg_->Synced() || !pleg_->Health().ok()) return std::nullopt;
  image::UsedImages used;
  for (const auto& pod : store_->All()) image::AddReferences(*pod, used);
  for (const auto& pod : pleg_->All()) {
    for (const auto& container : pod->containers) {
      used.ids.insert(container.image_id);
      used.ids.insert(container.image_ref);
      for (const auto& mount : container.mounts) used.ids.insert(mount.image);
    }
  }
  used.ids.erase("");
  return used;
}

Task<absl::StatusOr<image::DiskSpace>> Kubelet::DiskSpaceOf(std::string path) {
  std::function<absl::StatusOr<os::FilesystemSpace>()> ask = [path = std::move(path)] {
    return os::ReadFilesystemSpace(path);
  };
  auto space =
      co_await pool_.Run<os::FilesystemSpace>("image filesystem", seconds(10), std::move(ask));
  if (!space.ok()) co_return space.status();
  image::DiskSpace out;
  out.capacity_bytes = space->bytes.capacity;
  out.available_bytes = space->bytes.available;
  co_return out;
}

// For the node's status; collection uses the same list.
Task<void> Kubelet::WatchImages() {
  for (;;) {
    auto images = co_await image_list_->Get(seconds(5));
    Nanos pause = seconds(60);
    if (!images.ok()) pause = seconds(5);
    co_await base::SleepFor(clock_, pause);
  }
}

}  // namespace kubelet::app
