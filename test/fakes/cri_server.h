// A container runtime that behaves: a CRI v1 server on a unix socket that keeps sandboxes,
// containers and images in memory, walks them through their real states, writes CRI log files, and
// misbehaves when told to.
//
// Containers run a few shell words (see cri_server_program.h): `sh -c 'echo hi; sleep 1; exit 3'`
// prints to the log, waits and exits with 3; what is not understood runs until it is stopped.
//
// Thread safe. Calls are answered on gRPC's threads; every public function may be called from a
// test's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kubelet::fakes {

using Nanos = std::chrono::nanoseconds;

// gRPC status codes that tests name.
enum FakeCode : int {
  kFakeOk = 0,
  kFakeCancelled = 1,
  kFakeUnknown = 2,
  kFakeInvalidArgument = 3,
  kFakeDeadlineExceeded = 4,
  kFakeNotFound = 5,
  kFakeAlreadyExists = 6,
  kFakePermissionDenied = 7,
  kFakeResourceExhausted = 8,
  kFakeFailedPrecondition = 9,
  kFakeUnimplemented = 12,
  kFakeInternal = 13,
  kFakeUnavailable = 14
};

struct FakeCriOptions {
  std::string socket;  // path of the socket to listen on
  // False behaves like containerd 1.6: GetContainerEvents and RuntimeConfig are Unimplemented.
  bool events = true;
  bool systemd_cgroups = false;
  // CRI 1.36's streams of lists, one item in each message; Unimplemented without.
  bool list_streams = false;
  // True: every image name is there already. False: only what was added or pulled.
  bool any_image = true;
  bool write_logs = true;
  std::string image_mountpoint = "/";
  std::map<std::string, Nanos> delays;  // by method name ("RunPodSandbox"): added to each call
};

// One call, in the order of arrival. `pod` and `container` are names, as far as the call has them.
struct FakeCall {
  std::string method, pod, container, id;
  std::optional<Nanos> timeout;  // what the client gave it; nullopt: no deadline
  bool finished = false;
  int code = 0;
};

enum class FaultKind {
  kFail,          // answers `code` and does nothing
  kDelay,         // does its work `delay` later
  kLoseResponse,  // does its work, then answers `code` as if the answer had been lost
  kHang,          // does its work and never answers: the client's deadline or cancel ends it
};
struct Fault {
  FaultKind kind = FaultKind::kFail;
  std::string method;   // empty: any
  std::string subject;  // pod or container name; empty: any
  int times = 1;
  int code = kFakeUnavailable;
  std::string message = "injected fault";
  Nanos delay{0};
};

// What happens to events on their way to the client.
struct EventPolicy {
  int drop_next = 0;  // lose that many
  bool drop_all = false;
  bool duplicate = false;  // send each twice
  int reorder = 0;         // collect that many, then send them last first
  Nanos delay{0};
};

struct FakeContainer {
  std::string id, name, pod, sandbox_id, state;  // created, running, exited
  uint32_t attempt = 0;
  int exit_code = 0;
};

// Blocks matching calls before they do any work, until opened. Calls that are cancelled meanwhile
// never work.
class Gate {
 public:
  virtual ~Gate() = default;
  virtual size_t waiting() const = 0;
  virtual void Open() = 0;  // lets through what waits and what comes
};

class FakeCriServer {
 public:
  explicit FakeCriServer(FakeCriOptions options);
  ~FakeCriServer();

  // Listens. False when the socket cannot be made. Stop and Start again: a runtime that restarts
  // with its state.
  bool Start();
  void Stop();
  const std::string& socket() const;

  std::vector<FakeCall> calls() const;
  size_t Count(const std::string& method) const;
  void ClearCalls();
  // The latest request of a method, serialized; empty when there was none.
  std::string LastRequest(const std::string& method) const;

  std::shared_ptr<Gate> Block(const std::string& method, const std::string& subject = "");
  void Inject(Fault fault);
  void ClearFaults();
  void SetDelay(const std::string& method, Nanos delay);

  void SetEventPolicy(EventPolicy policy);
  // Ends every event stream with `code`.
  void BreakEventStreams(int code);
  size_t EventStreams() const;
  // Sends an event about a pod that does not exist otherwise; goes through the policy.
  void SendEvent(const std::string& pod_uid, const std::string& container_id);

  struct ImageSpec {
    uint64_t size = 1'000'000;
    std::optional<int64_t> uid;
    std::string username;
    bool pinned = false;
    // With a password: a pull must bring these credentials.
    std::string need_username, need_password;
    bool present = true;  // false: in the registry, not yet pulled
  };
  void AddImage(const std::string& name, ImageSpec spec);

  std::vector<FakeContainer> Containers() const;
  size_t SandboxCount() const;
  // Ends a running container by its id, as if its process had exited. False when it is not running.
  bool ExitContainer(const std::string& id, int exit_code, const std::string& reason = "");
  // The sandbox dies, its containers with it.
  bool KillSandbox(const std::string& id);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kubelet::fakes
