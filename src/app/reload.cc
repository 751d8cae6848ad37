#include "app/reload.h"

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/config/live_fields.h"
#include "kubelet/os/file.h"

namespace kubelet::app {
namespace {

constexpr uint32_t kChanges =
    IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF;
// Editors and tools write in several steps.
constexpr base::Nanos kSettle = std::chrono::seconds(1);
constexpr base::Nanos kLoadTime = std::chrono::seconds(30);

std::string Join(const std::vector<std::string>& items) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "" : ", ") + item;
  return out;
}

absl::StatusOr<config::LoadedConfig> LoadFiles(const std::vector<std::string>& args) {
  auto line = config::ParseCommandLine(args);
  if (!line.ok()) return line.status();
  return config::Load(*line, config::FileReader());
}

}  // namespace

Reload::Reload(Deps deps)
    : deps_(std::move(deps)), wake_(deps_.executor, deps_.clock), scope_(deps_.executor) {
  if (!deps_.load) deps_.load = [args = deps_.args] { return LoadFiles(args); };
}

Reload::~Reload() = default;

void Reload::Start() {
  scope_.Spawn("reload configuration", Run());
  const auto& flags = deps_.in_force.flags;
  if (flags.config.empty() && flags.config_dir.empty()) return;
  auto made = os::Inotify::Create(deps_.executor);
  if (!made.ok()) {
    LOG_V(1, "Cannot watch the configuration files; SIGHUP reads them", "err", made.status());
    return;
  }
  inotify_ = *std::move(made);
  scope_.Spawn("watch configuration", Watch());
}

base::Task<void> Reload::Stop() { co_await scope_.Stop(); }

void Reload::Trigger() {
  asked_ = true;
  wake_.Notify();
}

base::Task<void> Reload::Watch() {
  const auto& flags = deps_.in_force.flags;
  std::vector<std::string> directories;
  if (!flags.config.empty()) directories.push_back(os::DirName(flags.config));
  if (!flags.config_dir.empty()) directories.push_back(flags.config_dir);
  std::function<absl::Status()> add = [watcher = inotify_->watcher(), directories] {
    absl::Status result;
    for (const auto& directory : directories)
      result.Update(watcher.WatchDirectory(directory, kChanges).status());
    return result;
  };
  auto added = co_await deps_.pool.RunStatus("config watch", kLoadTime, std::move(add));
  if (!added.ok()) LOG_V(1, "Cannot watch all configuration files", "err", added);
  for (;;) {
    auto events = co_await inotify_->Read();
    if (!events.ok()) co_return;
    co_await base::SleepFor(deps_.clock, kSettle);
    inotify_->Drain();
    wake_.Notify();
  }
}

base::Task<void> Reload::Run() {
  for (;;) {
    co_await wake_.Wait();
    bool asked = std::exchange(asked_, false);
    std::function<absl::StatusOr<config::LoadedConfig>()> load = deps_.load;
    auto loaded =
        co_await deps_.pool.Run<config::LoadedConfig>("config", kLoadTime, std::move(load));
    Apply(std::move(loaded), asked);
  }
}

void Reload::Apply(absl::StatusOr<config::LoadedConfig> loaded, bool asked) {
  Outcome now;
  now.at = deps_.clock.Now();
  now.status = loaded.status();
  std::vector<std::function<void()>*> steps;
  if (loaded.ok()) {
    for (const auto& path : config::ChangedFields(deps_.in_force.kubelet, loaded->kubelet)) {
      auto it = deps_.live.find(path);
      if (it == deps_.live.end()) {
        now.restart.push_back(path);
        continue;
      }
      config::CopyField(loaded->kubelet, deps_.in_force.kubelet, path);
      now.taken.push_back(path);
      steps.push_back(&it->second);
    }
    // A file may give another --config; that is for the next start.
    for (auto* step : steps) (*step)();
  }
  bool same = last_ && last_->status == now.status && last_->restart == now.restart;
  bool news =
      asked || !now.taken.empty() || (!same && (!now.status.ok() || !now.restart.empty() || last_));
  last_ = std::move(now);
  if (!news) return;
  if (!last_->status.ok()) {
    LOG_ERROR("The configuration files are no good; what is in force stays", "err", last_->status);
    return;
  }
  LOG_INFO("Configuration read again", "taken", Join(last_->taken), "needRestart",
           Join(last_->restart));
}

std::string Reload::Report() const {
  if (!last_) return "The configuration is that of the start of this process.\n";
  std::string out = "Configuration read again at " + base::Rfc3339(last_->at) + "\n";
  if (!last_->status.ok())
    return out + "  problem   " + base::Message(last_->status) +
           "\n  effect    none; what was in "
           "force stays\n";
  out += "  taken     " + (last_->taken.empty() ? "nothing new" : Join(last_->taken)) + "\n";
  if (!last_->restart.empty()) out += "  restart   needed for " + Join(last_->restart) + "\n";
  return out;
}

}  // namespace kubelet::app
