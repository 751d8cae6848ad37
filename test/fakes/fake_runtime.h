// A container runtime that behaves, in memory: what it holds outlives the kubelets that talk to it.
//
// FakeRuntime is the world: sandboxes, containers, images, their state transitions, a log of calls, and breaches of
// the rules that a kubelet must keep (Breaches). FakeRuntimeClient is one kubelet's connection to it and implements
// the ports; cutting it is `kill -9`: the call under way is not answered, later ones never return. Faults are scripted per method and
// pod: fail, do the work and lose the answer, hang. Everything runs on a ManualClock and an io_context polled by hand.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "kubelet/base/promise.h"
#include "kubelet/runtime/container_runtime.h"

namespace kubelet::test {

using base::Nanos;
using base::Task;

struct Fault {
  enum class Kind { kFail, kLoseAnswer, kHang };
  std::string method;   // as in the port; empty: any
  std::string subject;  // part of `pod/uid/container`; empty: any
  Kind kind = Kind::kFail;
  int times = 1;        // -1: until Heal
  absl::Status status = absl::UnavailableError("scripted fault");
};

struct FakeCall {
  std::string method, subject;
  base::MonoTime at;
};

struct FakeContainer {
  runtime::ContainerStatus status;
  runtime::SandboxId sandbox;
  runtime::Namespaces namespaces;
};

struct FakeSandbox {
  runtime::Sandbox sandbox;
  std::string ip;
  runtime::NamespaceMode network = runtime::NamespaceMode::kPod;
};

class FakeRuntimeClient;

class FakeRuntime {
 public:
  FakeRuntime(base::Executor executor, base::ManualClock& clock) : executor_(std::move(executor)), clock_(clock) {}

  // --- the world, moved by the test ---
  void Exit(const std::string& pod, const std::string& container, int code);  // of the one that runs, if one does
  void BreakSandbox(const std::string& pod);                                  // its pause process dies
  // A pod that another kubelet started; one running container per name.
  void AddForeignPod(const runtime::SandboxConfig& config, const std::vector<runtime::ContainerConfig>& containers);
  // After `lives` every instance of this container ends by itself with `code`.
  void SetLife(const std::string& container, Nanos lives, int code) { lives_[container] = {lives, code}; }
  void ClearLives() { lives_.clear(); }
  void SetDown(bool down);
  void Inject(Fault fault) { faults_.push_back(std::move(fault)); }
  void Heal();                                     // no faults any more; what hangs goes on
  void SetEvents(bool supported) { events_ = supported; }
  // Shares, in percent, of events that get lost, come twice, or come late.
  void SetEventFaults(int lost, int twice, int late, uint32_t seed);
  void SetStopTakes(Nanos takes) { stop_takes_ = takes; }
  // The same for one container, by its name.
  void SetStopTakes(const std::string& container, Nanos takes) { stop_takes_of_[container] = takes; }
  void SetStopExitCode(int code) { stop_exit_code_ = code; }
  void SetIps(bool given) { ips_ = given; }

  // What a command does in a container of this name, by its first word; absent: it ends at once with 0.
  struct Exec {
    Nanos takes{0};
    int exit_code = 0;
    std::string stderr_data;
  };
  std::map<std::string, Exec> execs;

  std::set<std::string> images;                    // present
  std::map<std::string, absl::Status> pull_error;  // by image; absent: the pull works
  std::map<std::string, Nanos> pull_takes;
  std::map<std::string, std::string> pull_user;    // by image; absent: anybody may pull
  std::vector<std::string> pulled_as;              // user of each pull that was tried; empty: none
  std::map<std::string, runtime::Image> image_details;  // by image; absent: its id is its name
  runtime::ImageService::FsInfo fs_info;

  // --- what the test asks ---
  // Stop signals in their order: when, which container, how long until it is killed.
  struct Signal {
    base::MonoTime at;
    std::string container;
    std::chrono::seconds grace;
  };
  std::vector<Signal> signals;
  std::vector<FakeCall> calls;
  size_t Count(const std::string& method, const std::string& subject = "") const;
  int ReadySandboxes(const std::string& pod) const;
  std::vector<const FakeContainer*> Running(const std::string& pod) const;
  const FakeContainer* RunningOne(const std::string& pod, const std::string& container) const;
  // Sandboxes and containers in any state.
  size_t SizeOf(const std::string& pod) const;
  size_t Size() const { return sandboxes_.size() + containers_.size(); }
  int Starts(const std::string& pod, const std::string& container) const;
  std::vector<std::string> Breaches() const { return breaches_; }
  std::string Dump() const;
  // The pod's logs are gone: its containers may count from zero again.
  void ForgetAttempts(const std::string& uid);

 private:
  friend class FakeRuntimeClient;
  struct Life {
    Nanos lives;
    int code;
  };
  struct Decision {
    Fault::Kind kind = Fault::Kind::kFail;
    bool fault = false;
    absl::Status status;
  };
  runtime::Image ImageOf(const std::string& name) const;
  Decision Decide(const std::string& method, const std::string& subject);
  std::string SubjectOf(const runtime::SandboxId& id) const;
  std::string SubjectOf(const runtime::ContainerId& id) const;
  std::string SubjectOfUid(const std::string& uid) const;
  absl::StatusOr<runtime::SandboxId> Run(const runtime::SandboxConfig& config);
  absl::StatusOr<runtime::ContainerId> Create(const runtime::SandboxId& id, const runtime::ContainerConfig& config);
  absl::Status Start(const runtime::ContainerId& id);
  void End(FakeContainer& container, int code, const std::string& reason);
  void Remove(const runtime::ContainerId& id);
  void StopSandbox(FakeSandbox& sandbox);
  void Emit(runtime::RuntimeEventKind kind, const std::string& id, const std::string& uid);
  void Breach(std::string text);
  void Signalled(const runtime::ContainerId& id, std::chrono::seconds grace);

  base::Executor executor_;
  base::ManualClock& clock_;
  std::map<runtime::SandboxId, FakeSandbox> sandboxes_;
  std::map<runtime::ContainerId, FakeContainer> containers_;
  std::vector<Fault> faults_;
  std::map<std::string, Life> lives_;
  std::map<std::string, uint32_t> attempts_;  // uid/container -> highest started
  std::map<std::string, int> starts_;         // pod/container
  std::vector<std::string> breaches_;
  std::set<FakeRuntimeClient*> clients_;
  bool down_ = false, events_ = true, ips_ = true;
  int lost_ = 0, twice_ = 0, late_ = 0;
  std::mt19937 random_{1};
  Nanos stop_takes_{0};
  std::map<std::string, Nanos> stop_takes_of_;
  int stop_exit_code_ = 143;
  int next_id_ = 0;
};

class FakeRuntimeClient : public runtime::ContainerRuntime, public runtime::ImageService {
 public:
  explicit FakeRuntimeClient(FakeRuntime& world);
  ~FakeRuntimeClient() override;

  // Cuts the connection off after this many calls have done their work (0: now).
  void CutAfter(int calls) { cut_after_ = calls; }
  int calls() const { return calls_; }
  bool cut() const { return cut_after_ >= 0 && calls_ >= cut_after_; }
  // Lets every call that hangs or is cut come back with an error, so that its kubelet can be taken apart.
  void Close();
  void Release();

  Task<absl::StatusOr<runtime::RuntimeVersion>> Version() override;
  Task<absl::StatusOr<runtime::RuntimeStatus>> Status() override;
  Task<absl::StatusOr<runtime::CgroupDriver>> RuntimeConfig() override;
  Task<absl::Status> UpdateRuntimeConfig(std::string pod_cidr) override;
  Task<absl::StatusOr<runtime::SandboxId>> RunPodSandbox(runtime::SandboxConfig config) override;
  Task<absl::Status> StopPodSandbox(runtime::SandboxId id) override;
  Task<absl::Status> RemovePodSandbox(runtime::SandboxId id) override;
  Task<absl::StatusOr<runtime::SandboxStatus>> PodSandboxStatus(runtime::SandboxId id) override;
  Task<absl::StatusOr<std::vector<runtime::Sandbox>>> ListPodSandbox(std::string pod_uid) override;
  Task<absl::StatusOr<runtime::ContainerId>> CreateContainer(runtime::SandboxId id, runtime::ContainerConfig config,
                                                             runtime::SandboxConfig sandbox) override;
  Task<absl::Status> StartContainer(runtime::ContainerId id) override;
  Task<absl::Status> StopContainer(runtime::ContainerId id, std::chrono::seconds grace) override;
  Task<absl::Status> RemoveContainer(runtime::ContainerId id) override;
  Task<absl::StatusOr<std::vector<runtime::Container>>> ListContainers(std::string pod_uid) override;
  Task<absl::StatusOr<runtime::ContainerStatus>> GetContainerStatus(runtime::ContainerId id) override;
  Task<absl::Status> UpdateContainerResources(runtime::ContainerId id, runtime::LinuxResources resources) override;
  Task<absl::Status> UpdatePodSandboxResources(runtime::SandboxId id, runtime::LinuxResources overhead,
                                               runtime::LinuxResources resources) override;
  Task<absl::Status> ReopenContainerLog(runtime::ContainerId id) override;
  Task<absl::StatusOr<runtime::ExecResult>> ExecSync(runtime::ContainerId id, std::vector<std::string> command,
                                                     std::chrono::seconds timeout) override;
  Task<absl::StatusOr<std::string>> ExecUrl(runtime::ContainerId id, std::vector<std::string> command,
                                            StreamOptions options) override;
  Task<absl::StatusOr<std::string>> AttachUrl(runtime::ContainerId id, StreamOptions options) override;
  Task<absl::StatusOr<std::string>> PortForwardUrl(runtime::SandboxId id, std::vector<int32_t> ports) override;
  Task<absl::Status> StreamEvents(std::function<void()> on_open,
                                  std::function<void(const runtime::RuntimeEvent&)> on_event) override;

  Task<absl::StatusOr<std::vector<runtime::Image>>> ListImages() override;
  Task<absl::StatusOr<std::optional<runtime::Image>>> ImageStatus(runtime::ImageSpec image) override;
  Task<absl::StatusOr<std::string>> PullImage(runtime::ImageSpec image, std::optional<runtime::AuthConfig> auth,
                                              runtime::SandboxConfig sandbox) override;
  Task<absl::Status> RemoveImage(std::string image) override;
  Task<absl::StatusOr<FsInfo>> ImageFsInfo() override;

 private:
  friend class FakeRuntime;
  template <typename T>
  Task<absl::StatusOr<T>> Do(std::string method, std::string subject, std::function<absl::StatusOr<T>()> work);
  Task<absl::Status> DoStatus(std::string method, std::string subject, std::function<absl::Status()> work);
  Task<void> Hang();
  Task<void> Turn();
  void EndStream();

  FakeRuntime& world_;
  int calls_ = 0;
  int cut_after_ = -1;
  bool closed_ = false;
  std::vector<base::Promise<bool>> hanging_;
  std::function<void(const runtime::RuntimeEvent&)> on_event_;
  std::optional<base::Promise<bool>> stream_;
};

}  // namespace kubelet::test
