// <root>/plugins_registry: whoever puts a socket there is asked who it is and handed to the handler
// of its type. Facts: pkg/kubelet/pluginmanager of 1.36, plugin registration v1.
//
//   inotify --> look (all sockets below the directory) --> new: GetInfo, Validate, Register,
//                                                               NotifyRegistrationStatus
//                                                      --> gone or another one: Deregister
//
// Events only say "look again"; nothing happens while nothing changes there. A registration that
// failed is tried again after 500 ms, doubling to 2 min, for as long as its socket is there. Names
// that begin with a dot are passed over. Core loop; the look is in the blocking pool.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "kubelet/base/async.h"
#include "kubelet/base/backoff.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/clock.h"
#include "kubelet/base/metrics.h"
#include "kubelet/os/inotify.h"

namespace kubelet::plugin {

// One type of plugins: DevicePlugin here; CSIPlugin and DRAPlugin come with their rooms' adapters.
class PluginHandler {
 public:
  virtual ~PluginHandler() = default;
  // InvalidArgument, told to the plugin: it will not do.
  virtual absl::Status Validate(const std::string& name,
                                const std::vector<std::string>& versions) = 0;
  virtual base::Task<absl::Status> Register(std::string name, std::string endpoint) = 0;
  virtual void Deregister(const std::string& name, const std::string& endpoint) = 0;
};

class PluginWatcher {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    std::map<std::string, PluginHandler*> handlers;  // by type
    base::Registry* metrics = nullptr;
  };
  PluginWatcher(Deps deps, std::string directory);
  ~PluginWatcher();
  // The directory is there.
  void Start();

 private:
  struct Plugin;
  using PluginPtr = std::shared_ptr<Plugin>;
  base::Task<void> Watch();
  base::Task<bool> Look();
  base::Task<void> KeepRegistering(std::string path, PluginPtr plugin);
  base::Task<absl::Status> RegisterOnce(std::string path, PluginPtr plugin);
  void Remove(const std::string& path);

  Deps deps_;
  std::string directory_;
  std::unique_ptr<os::Inotify> inotify_;
  std::map<std::string, PluginPtr> plugins_;  // by path of the socket
  base::Backoff backoff_;
  base::Family<base::Gauge>* totals_ = nullptr;
  base::TaskScope scope_;
};

}  // namespace kubelet::plugin
