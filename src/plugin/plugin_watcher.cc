#include "kubelet/plugin/plugin_watcher.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/file.h"
#include "kubelet/plugin/pluginregistration_v1.pb.h"
#include "plugin/grpc_client.h"
#include "plugin/grpc_wire.h"

namespace kubelet::plugin {

using base::Message;
using base::Task;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr char kService[] = "/pluginregistration.Registration/";
constexpr auto kDial = seconds(10), kInfo = seconds(1), kNotify = seconds(5);
constexpr auto kLookTimeout = seconds(30), kLookAgain = seconds(10);
constexpr int kMaxDepth = 8;

// One socket from another at the same place: by inode and when that was last changed.
struct Identity {
  uint64_t inode = 0;
  int64_t changed = 0;
  bool operator==(const Identity&) const = default;
};
using Sockets = std::map<std::string, Identity>;

// Watches come first, so that what appears while we look is told of.
void Walk(const std::string& directory, const os::Inotify::Watcher* watcher, int depth,
          Sockets& out) {
  if (watcher != nullptr) {
    auto watched = watcher->WatchDirectory(
        directory, IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ONLYDIR);
    if (!watched.ok() && !absl::IsNotFound(watched.status()))
      LOG_ERROR("Cannot watch for plugins", "directory", directory, "err", watched.status());
  }
  auto listed = os::ListDirectory(directory);
  if (!listed.ok()) return;
  for (const auto& name : listed->names) {
    if (name.front() == '.') continue;
    const std::string path = directory + "/" + name;
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0) continue;
    if (S_ISDIR(info.st_mode) && depth < kMaxDepth) Walk(path, watcher, depth + 1, out);
    if (S_ISSOCK(info.st_mode))
      out[path] = {info.st_ino,
                   int64_t{info.st_ctim.tv_sec} * 1'000'000'000 + info.st_ctim.tv_nsec};
  }
}

Task<absl::Status> Notify(GrpcClient* client, std::string error) {
  pluginregistration::RegistrationStatus status;
  status.set_plugin_registered(error.empty());
  status.set_error(error);
  auto answer = co_await client->Call(std::string(kService) + "NotifyRegistrationStatus",
                                      status.SerializeAsString(), kNotify);
  co_return answer.status();
}

}  // namespace

struct PluginWatcher::Plugin {
  Identity identity;
  PluginHandler* handler = nullptr;  // null: not registered
  std::string name, endpoint;
};

PluginWatcher::PluginWatcher(Deps deps, std::string directory)
    : deps_(std::move(deps)),
      directory_(std::move(directory)),
      backoff_(milliseconds(500), std::chrono::minutes(2) + seconds(2)),
      scope_(deps_.executor) {
  if (deps_.metrics == nullptr) return;
  totals_ =
      &deps_.metrics->AddGauge("plugin_manager_total_plugins",
                               "Number of plugins in Plugin Manager", {"socket_path", "state"});
}

PluginWatcher::~PluginWatcher() = default;

void PluginWatcher::Start() { scope_.Spawn("plugin watcher", Watch()); }

Task<void> PluginWatcher::Watch() {
  auto made = os::Inotify::Create(deps_.executor);
  if (made.ok()) {
    inotify_ = *std::move(made);
  } else {
    LOG_ERROR("Cannot watch for plugins; looking now and then", "err", made.status());
  }
  for (;;) {
    bool looked = co_await Look();
    if (!looked || !inotify_) {
      co_await base::SleepFor(deps_.clock, kLookAgain);
      continue;
    }
    auto events = co_await inotify_->Read();
    if (!events.ok()) inotify_.reset();
  }
}

Task<bool> PluginWatcher::Look() {
  std::optional<os::Inotify::Watcher> watcher;
  if (inotify_) watcher = inotify_->watcher();
  std::function<absl::StatusOr<Sockets>()> work =
      [watcher, directory = directory_]() -> absl::StatusOr<Sockets> {
    Sockets out;
    Walk(directory, watcher ? &*watcher : nullptr, 0, out);
    return out;
  };
  auto found = co_await deps_.pool.Run<Sockets>("plugin sockets", kLookTimeout, std::move(work));
  co_await ThrowIfCancelled();
  if (!found.ok()) {
    LOG_ERROR("Cannot look for plugins; will retry", "directory", directory_, "err",
              found.status());
    co_return false;
  }
  std::vector<std::string> gone;
  for (const auto& [path, plugin] : plugins_) {
    auto now = found->find(path);
    if (now == found->end() || !(now->second == plugin->identity)) gone.push_back(path);
  }
  for (const auto& path : gone) Remove(path);
  for (const auto& [path, identity] : *found) {
    if (plugins_.contains(path)) continue;
    auto plugin = std::make_shared<Plugin>();
    plugin->identity = identity;
    plugins_[path] = plugin;
    if (totals_ != nullptr) totals_->With({path, "desired_state_of_world"}).Set(1);
    scope_.Spawn("plugin " + path, KeepRegistering(path, plugin));
  }
  co_return true;
}

void PluginWatcher::Remove(const std::string& path) {
  auto it = plugins_.find(path);
  if (it == plugins_.end()) return;
  PluginPtr plugin = it->second;
  plugins_.erase(it);
  backoff_.Reset(path);
  if (totals_ != nullptr) {
    totals_->Remove({path, "desired_state_of_world"});
    totals_->Remove({path, "actual_state_of_world"});
  }
  if (plugin->handler == nullptr) return;
  LOG_INFO("Plugin is gone", "path", path, "name", plugin->name);
  plugin->handler->Deregister(plugin->name, plugin->endpoint);
}

Task<void> PluginWatcher::KeepRegistering(std::string path, PluginPtr plugin) {
  for (;;) {
    absl::Status status = co_await RegisterOnce(path, plugin);
    if (status.ok()) break;
    auto delay = backoff_.Next(path, deps_.clock.Mono());
    LOG_ERROR("Plugin cannot be registered; will retry", "path", path, "after",
              base::GoDuration(delay), "err", status);
    co_await base::SleepFor(deps_.clock, delay);
    auto now = plugins_.find(path);
    if (now == plugins_.end() || now->second != plugin) co_return;
  }
  auto now = plugins_.find(path);
  bool gone = now == plugins_.end() || now->second != plugin;
  if (gone) {
    plugin->handler->Deregister(plugin->name, plugin->endpoint);
    co_return;
  }
  backoff_.Reset(path);
  if (totals_ != nullptr) totals_->With({path, "actual_state_of_world"}).Set(1);
  LOG_INFO("Plugin registered", "path", path, "name", plugin->name);
}

Task<absl::Status> PluginWatcher::RegisterOnce(std::string path, PluginPtr plugin) {
  auto client = co_await GrpcClient::Connect(deps_.executor, deps_.clock, path, kDial);
  if (!client.ok()) co_return client.status();
  auto bytes = co_await (*client)->Call(std::string(kService) + "GetInfo", "", kInfo);
  if (!bytes.ok())
    co_return base::Annotate(bytes.status(), "failed to get plugin info using RPC GetInfo");
  pluginregistration::PluginInfo info;
  if (!info.ParseFromString(*bytes))
    co_return absl::InternalError("GetInfo: the answer cannot be read");
  std::string refusal, prefix = "RegisterPlugin error -- ";
  std::string endpoint = info.endpoint().empty() ? path : info.endpoint();
  auto handler = deps_.handlers.find(info.type());
  if (handler == deps_.handlers.end()) {
    refusal = "no handler registered for plugin type: " + info.type() + " at socket " + path;
  } else {
    std::vector<std::string> versions(info.supported_versions().begin(),
                                      info.supported_versions().end());
    auto valid = handler->second->Validate(info.name(), versions);
    if (!valid.ok()) refusal = "plugin validation failed with err: " + Message(valid);
  }
  if (refusal.empty()) {
    auto registered = co_await handler->second->Register(info.name(), endpoint);
    if (!registered.ok()) refusal = "plugin registration failed with err: " + Message(registered);
  }
  std::string error = refusal.empty() ? "" : prefix + refusal;
  auto told = co_await Notify(client->get(), error);
  if (!refusal.empty()) co_return absl::FailedPreconditionError(error);
  if (!told.ok()) {
    handler->second->Deregister(info.name(), endpoint);
    co_return base::Annotate(told, "failed to send registration status");
  }
  plugin->handler = handler->second;
  plugin->name = info.name();
  plugin->endpoint = endpoint;
  co_return absl::OkStatus();
}

}  // namespace kubelet::plugin
