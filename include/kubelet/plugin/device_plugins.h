// Device plugins as they come and go: the registration service on device-plugins/kubelet.sock, and
// a connection to each plugin for as long as it lives.
//
//   plugin --Register--> [dial, GetDevicePluginOptions] --> Devices::Connected, then its
//   ListAndWatch stream --> Listed ... --> the stream ends --> Disconnected
//
// A plugin whose socket lies in plugins_registry comes by way of PluginWatcher instead. A call that
// hangs ends at its deadline and delays nobody but its caller. Versions, names and messages:
// pkg/kubelet/cm/devicemanager/plugin/v1beta1, 1.36. Core loop only.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"
#include "kubelet/base/metrics.h"
#include "kubelet/plugin/plugin_watcher.h"
#include "kubelet/resource/devices.h"

namespace kubelet::plugin {

class GrpcServer;

class DevicePlugins : public PluginHandler {
 public:
  struct Options {
    std::string directory;                           // <root>/device-plugins
    base::Nanos dial = std::chrono::seconds(10);     // for the socket to be there
    base::Nanos options = std::chrono::seconds(10);  // GetDevicePluginOptions; upstream waits
    base::Nanos allocate = std::chrono::minutes(2);  // and GetPreferredAllocation; the same
    base::Nanos pre_start = std::chrono::seconds(30);
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    resource::Devices& devices;
    base::Registry* metrics = nullptr;
  };
  DevicePlugins(Deps deps, Options options);
  ~DevicePlugins() override;

  // Blocks for a moment: makes the directory, removes the sockets in it (plugins see that and
  // register again), listens. What is wrong with that is what Check tells from then on.
  absl::Status Start();
  void Stop();
  // For /healthz/device-plugin.
  absl::Status Check() const { return health_; }

  // PluginHandler: `name` is the resource, `endpoint` an absolute path.
  absl::Status Validate(const std::string& name, const std::vector<std::string>& versions) override;
  base::Task<absl::Status> Register(std::string name, std::string endpoint) override;
  void Deregister(const std::string& name, const std::string& endpoint) override;

 private:
  class Client;
  using ClientPtr = std::shared_ptr<Client>;
  base::Task<absl::StatusOr<std::string>> Answer(std::string request);
  base::Task<void> Follow(std::string resource, ClientPtr client);
  void Leave(const std::string& resource, const ClientPtr& client);

  Deps deps_;
  Options options_;
  absl::Status health_;
  std::unique_ptr<GrpcServer> server_;
  std::map<std::string, ClientPtr> clients_;  // by resource
  base::Family<base::Counter>* registrations_ = nullptr;
  base::TaskScope scope_;
};

// `example.com/gpu`: named with a domain that is not Kubernetes' own, and no quota's name.
bool IsExtendedResourceName(const std::string& name);

}  // namespace kubelet::plugin
