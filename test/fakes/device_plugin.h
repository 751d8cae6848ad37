// A device plugin on gRPC's own server, as plugins in the field are: devices whose health a test
// turns, answers it chooses, calls that hang until it lets them go. Thread safe.
#pragma once

#include <grpcpp/server.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "kubelet/plugin/pluginregistration_v1.grpc.pb.h"
#include "kubelet/resource/deviceplugin_v1beta1.grpc.pb.h"

namespace kubelet::test {

class FakeDevicePlugin : public v1beta1::DevicePlugin::Service,
                         public pluginregistration::Registration::Service {
 public:
  struct Options {
    std::string resource = "example.com/thing";
    std::string socket;                      // absolute
    std::vector<std::string> devices;        // healthy at first
    std::map<std::string, int64_t> node_of;  // NUMA node, where one is known
    bool pre_start = false, preferred = false;
    std::string env = "THING";  // lists the ids
    std::vector<std::pair<std::string, std::string>> mounts,
        nodes;        // on the host, in the container
    std::string cdi;  // a name; empty: none
  };
  explicit FakeDevicePlugin(Options options);
  ~FakeDevicePlugin() override;

  void Start();
  void Stop();
  // Asks the kubelet's registration service; `endpoint` is the socket's name in its directory.
  grpc::Status Register(const std::string& kubelet_socket, const std::string& version = "v1beta1",
                        const std::string& resource = "");
  void SetHealth(const std::string& id, const std::string& health);
  void RemoveDevice(const std::string& id);
  // ListAndWatch ends with an error, as when a plugin gives up.
  void FailWatch();

  // Of the method by its name; `Fail` an error message, `Hang` until the next LetGo.
  void Fail(const std::string& method, const std::string& message);
  void Hang(const std::string& method);
  void LetGo();
  void Prefer(std::vector<std::string> ids);

  // `Allocate a,b`, `PreStartContainer a`, `GetPreferredAllocation a,b,c must  size 1`.
  std::vector<std::string> Calls() const;
  // How often a method was called, also one that Calls does not tell of.
  int Entered(const std::string& method) const;
  // What NotifyRegistrationStatus said: empty for registered; nullopt: nothing yet.
  std::optional<std::string> Told() const;

 private:
  using Context = grpc::ServerContext;
  grpc::Status Enter(const std::string& method, const std::string& text = "");
  grpc::Status GetDevicePluginOptions(Context*, const v1beta1::Empty*,
                                      v1beta1::DevicePluginOptions*) override;
  grpc::Status ListAndWatch(Context*, const v1beta1::Empty*,
                            grpc::ServerWriter<v1beta1::ListAndWatchResponse>*) override;
  grpc::Status GetPreferredAllocation(Context*, const v1beta1::PreferredAllocationRequest*,
                                      v1beta1::PreferredAllocationResponse*) override;
  grpc::Status Allocate(Context*, const v1beta1::AllocateRequest*,
                        v1beta1::AllocateResponse*) override;
  grpc::Status PreStartContainer(Context*, const v1beta1::PreStartContainerRequest*,
                                 v1beta1::PreStartContainerResponse*) override;
  grpc::Status GetInfo(Context*, const pluginregistration::InfoRequest*,
                       pluginregistration::PluginInfo*) override;
  grpc::Status NotifyRegistrationStatus(Context*, const pluginregistration::RegistrationStatus*,
                                        pluginregistration::RegistrationStatusResponse*) override;

  Options options_;
  std::unique_ptr<grpc::Server> server_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> health_;
  int version_ = 1;
  bool watch_fails_ = false, stopping_ = false;
  std::map<std::string, std::string> failures_;
  std::map<std::string, bool> hangs_;
  std::vector<std::string> preferred_, calls_;
  std::map<std::string, int> entered_;
  std::optional<std::string> told_;
};

}  // namespace kubelet::test
