// What the kubelet relies on from any runtime, run against the fake and, when KUBELET_TEST_CRI
// names a socket (unix:///run/containerd/containerd.sock) and KUBELET_TEST_IMAGE an image with a
// POSIX shell that is there, against that runtime too.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "catch.h"
#include "cri/harness.h"

namespace kubelet::cri {
namespace {

using runtime::ContainerId;
using runtime::ContainerState;
using runtime::SandboxId;
using runtime::SandboxState;

class Backend {
 public:
  static std::vector<std::string> Names() {
    std::vector<std::string> names = {"fake"};
    if (std::getenv("KUBELET_TEST_CRI") != nullptr &&
        std::getenv("KUBELET_TEST_IMAGE") != nullptr) {
      names.push_back("real");
    } else {
      static bool said = false;
      if (!std::exchange(said, true)) {
        WARN(
            "contract tests run against the fake only: set KUBELET_TEST_CRI and KUBELET_TEST_IMAGE "
            "for a real runtime");
      }
    }
    return names;
  }

  explicit Backend(const std::string& name) {
    if (name == "fake") {
      fake = std::make_unique<Fake>();
      client = fake->client.get();
      image = "fake.test/busybox:1";
    } else {
      own_client = std::make_unique<Client>(EndpointOptions(std::getenv("KUBELET_TEST_CRI"), 60s));
      client = own_client.get();
      image = std::getenv("KUBELET_TEST_IMAGE");
    }
  }
  ~Backend() {
    for (const auto& id : sandboxes) {
      (void)client->Await(client->runtime->StopPodSandbox(id));
      (void)client->Await(client->runtime->RemovePodSandbox(id));
    }
  }

  // A pod of its own uid, so that runs do not meet.
  runtime::SandboxConfig Pod(const std::string& name, bool host_network = true) {
    static int count = 0;
    auto config =
        PodNamed(name, "contract-" + std::to_string(::getpid()) + "-" + std::to_string(++count));
    if (host_network) {
      config.namespaces.network = runtime::NamespaceMode::kNode;
    } else {
      config.hostname = name;
    }
    config.log_directory = logs / config.uid;
    std::filesystem::create_directories(config.log_directory);
    return config;
  }
  SandboxId Run(const runtime::SandboxConfig& pod) {
    auto id = client->Await(client->runtime->RunPodSandbox(pod));
    INFO(id.status());
    REQUIRE(id.ok());
    sandboxes.push_back(*id);
    return *id;
  }
  ContainerId Create(const SandboxId& sandbox, const runtime::SandboxConfig& pod,
                     const std::string& name, const std::string& script) {
    auto config = ContainerNamed(name, pod, image, script);
    config.log_path = name + ".log";
    config.namespaces = pod.namespaces;
    auto id = client->Await(client->runtime->CreateContainer(sandbox, config, pod));
    INFO(id.status());
    REQUIRE(id.ok());
    return *id;
  }
  void Start(const ContainerId& id) {
    auto started = client->Await(client->runtime->StartContainer(id));
    INFO(started);
    REQUIRE(started.ok());
  }
  runtime::ContainerStatus Status(const ContainerId& id) {
    auto status = client->Await(client->runtime->GetContainerStatus(id));
    INFO(status.status());
    REQUIRE(status.ok());
    return *status;
  }
  // Asks until the container has ended; bounded.
  runtime::ContainerStatus WaitExited(const ContainerId& id) {
    for (auto end = std::chrono::steady_clock::now() + 30s;
         std::chrono::steady_clock::now() < end;) {
      auto status = Status(id);
      if (status.state == ContainerState::kExited) return status;
    }
    FAIL("container " << id << " did not end");
    return {};
  }

  // The pod's only sandbox, once it is stopped: a runtime's list may know of it a little after the
  // call has returned.
  runtime::Sandbox WaitStopped(const std::string& uid) {
    for (auto end = std::chrono::steady_clock::now() + 30s;
         std::chrono::steady_clock::now() < end;) {
      auto sandboxes = client->Await(client->runtime->ListPodSandbox(uid));
      REQUIRE(sandboxes.ok());
      REQUIRE(sandboxes->size() == 1);
      if (sandboxes->front().state == SandboxState::kNotReady) return sandboxes->front();
    }
    FAIL("the sandbox of " << uid << " did not stop");
    return {};
  }

  TempDir logs;
  std::unique_ptr<Fake> fake;
  std::unique_ptr<Client> own_client;
  Client* client = nullptr;
  std::string image;
  std::vector<SandboxId> sandboxes;
};

void ForEach(const std::function<void(Backend&)>& test) {
  for (const auto& name : Backend::Names()) {
    INFO("runtime: " << name);
    Backend backend(name);
    test(backend);
  }
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

const char kForever[] = "trap 'exit 0' TERM; while true; do sleep 1; done";

TEST_CASE("contract: the runtime tells its name and that it is ready") {
  ForEach([](Backend& b) {
    auto version = b.client->Await(b.client->runtime->Version());
    REQUIRE(version.ok());
    CHECK_FALSE(version->runtime_name.empty());
    CHECK_FALSE(version->runtime_version.empty());
    auto status = b.client->Await(b.client->runtime->Status());
    REQUIRE(status.ok());
    bool ready = false;
    for (const auto& condition : status->conditions)
      ready |= condition.type == "RuntimeReady" && condition.status;
    CHECK(ready);
  });
}

// CRI-O adds labels of its own.
bool Holds(const runtime::StringMap& labels, const runtime::StringMap& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& label) {
    auto it = labels.find(label.first);
    return it != labels.end() && it->second == label.second;
  });
}

TEST_CASE("contract: a sandbox on the host's network runs, stops and goes") {
  ForEach([](Backend& b) {
    auto& runtime = *b.client->runtime;
    auto pod = b.Pod("host-net");
    pod.annotations["note"] = "kept";
    auto id = b.Run(pod);
    auto status = b.client->Await(runtime.PodSandboxStatus(id));
    REQUIRE(status.ok());
    CHECK(status->sandbox.id == id);
    CHECK(status->sandbox.state == SandboxState::kReady);
    CHECK(status->sandbox.uid == pod.uid);
    CHECK(status->sandbox.name == "host-net");
    CHECK(status->sandbox.namespace_ == "default");
    CHECK(Holds(status->sandbox.labels, pod.labels));
    CHECK(status->sandbox.annotations["note"] == "kept");
    CHECK(base::UnixNanos(status->sandbox.created_at) > 0);
    CHECK(status->network == runtime::NamespaceMode::kNode);
    CHECK(status->ip.empty());

    REQUIRE(b.client->Await(runtime.StopPodSandbox(id)).ok());
    REQUIRE(b.client->Await(runtime.StopPodSandbox(id)).ok());  // again is no error
    status = b.client->Await(runtime.PodSandboxStatus(id));
    REQUIRE(status.ok());
    CHECK(status->sandbox.state == SandboxState::kNotReady);
    REQUIRE(b.client->Await(runtime.RemovePodSandbox(id)).ok());
    CHECK(absl::IsNotFound(b.client->Await(runtime.PodSandboxStatus(id)).status()));
  });
}

TEST_CASE("contract: a sandbox with a network of its own has an address") {
  ForEach([](Backend& b) {
    auto status = b.client->Await(b.client->runtime->Status());
    REQUIRE(status.ok());
    for (const auto& condition : status->conditions) {
      if (condition.type != "NetworkReady" || condition.status) continue;
      WARN("skipped: the runtime has no pod network: " << condition.message);
      return;
    }
    auto id = b.Run(b.Pod("pod-net", false));
    auto sandbox = b.client->Await(b.client->runtime->PodSandboxStatus(id));
    REQUIRE(sandbox.ok());
    CHECK_FALSE(sandbox->ip.empty());
    CHECK(sandbox->network == runtime::NamespaceMode::kPod);
  });
}

TEST_CASE("contract: a container is created, runs, and ends with its code and log") {
  ForEach([](Backend& b) {
    auto pod = b.Pod("once");
    auto sandbox = b.Run(pod);
    // containerd notes the start when its shim has answered, which may be after the end of a quick
    // container.
    auto id = b.Create(sandbox, pod, "main", "echo out; echo err >&2; sleep 0.2; exit 3");
    auto created = b.Status(id);
    CHECK(created.state == ContainerState::kCreated);
    CHECK(base::UnixNanos(created.created_at) > 0);
    CHECK(base::UnixNanos(created.started_at) == 0);
    b.Start(id);
    auto ended = b.WaitExited(id);
    CHECK(ended.exit_code == 3);
    CHECK(ended.reason == "Error");
    CHECK(ended.name == "main");
    CHECK(ended.started_at >= ended.created_at);
    CHECK(ended.finished_at >= ended.started_at);
    CHECK(ended.labels[runtime::kContainerNameLabel] == "main");
    CHECK_FALSE(ended.image_ref.empty());
    CHECK(ended.log_path == pod.log_directory + "/main.log");
    std::string log = ReadFile(ended.log_path);
    CHECK(log.find(" stdout F out\n") != std::string::npos);
    CHECK(log.find(" stderr F err\n") != std::string::npos);
    // Started twice is an error, whatever its code.
    CHECK_FALSE(b.client->Await(b.client->runtime->StartContainer(id)).ok());
  });
}

TEST_CASE("contract: exit code zero is Completed") {
  ForEach([](Backend& b) {
    auto pod = b.Pod("zero");
    auto sandbox = b.Run(pod);
    auto id = b.Create(sandbox, pod, "main", "exit 0");
    b.Start(id);
    auto ended = b.WaitExited(id);
    CHECK(ended.exit_code == 0);
    CHECK(ended.reason == "Completed");
  });
}

TEST_CASE("contract: a stop asks first, and kills when its grace is over") {
  ForEach([](Backend& b) {
    auto& runtime = *b.client->runtime;
    auto pod = b.Pod("stops");
    auto sandbox = b.Run(pod);
    auto polite =
        b.Create(sandbox, pod, "polite", "trap 'exit 7' TERM; while true; do sleep 1; done");
    auto deaf = b.Create(sandbox, pod, "deaf", "trap '' TERM; while true; do sleep 1; done");
    for (const auto& id : {polite, deaf}) b.Start(id);
    // The trap must be set before the signal comes; an exec that succeeds tells that the shell
    // runs.
    REQUIRE(b.client->Await(runtime.ExecSync(polite, {"sh", "-c", "sleep 1"}, 20s)).ok());
    REQUIRE(b.client->Await(runtime.StopContainer(polite, 20s)).ok());
    CHECK(b.Status(polite).exit_code == 7);
    CHECK(b.Status(polite).state == ContainerState::kExited);
    REQUIRE(b.client->Await(runtime.StopContainer(deaf, 1s)).ok());
    CHECK(b.Status(deaf).exit_code == 137);
    // An ended container can be stopped again.
    CHECK(b.client->Await(runtime.StopContainer(deaf, 1s)).ok());
  });
}

TEST_CASE("contract: stopping the sandbox ends its containers") {
  ForEach([](Backend& b) {
    auto pod = b.Pod("all");
    auto sandbox = b.Run(pod);
    auto id = b.Create(sandbox, pod, "main", kForever);
    b.Start(id);
    REQUIRE(b.client->Await(b.client->runtime->StopPodSandbox(sandbox)).ok());
    b.WaitExited(id);  // with which code is the runtime's affair: CRI-O says 0
    // containerd refuses at the start, others may when it is created.
    auto late = b.client->Await(b.client->runtime->CreateContainer(
        sandbox, ContainerNamed("late", pod, b.image, "exit 0"), pod));
    CHECK_FALSE((late.ok() && b.client->Await(b.client->runtime->StartContainer(*late)).ok()));
  });
}

TEST_CASE("contract: commands run inside, with output, code and time-out") {
  ForEach([](Backend& b) {
    auto& runtime = *b.client->runtime;
    auto pod = b.Pod("exec");
    auto sandbox = b.Run(pod);
    auto id = b.Create(sandbox, pod, "main", kForever);
    b.Start(id);
    auto result =
        b.client->Await(runtime.ExecSync(id, {"sh", "-c", "echo out; echo err >&2; exit 5"}, 20s));
    INFO(result.status());
    REQUIRE(result.ok());
    CHECK(result->stdout_data == "out\n");
    CHECK(result->stderr_data == "err\n");
    CHECK(result->exit_code == 5);
    auto late = b.client->Await(runtime.ExecSync(id, {"sh", "-c", "sleep 100"}, 1s));
    // containerd answers DeadlineExceeded, CRI-O with the exit code -1.
    CHECK((absl::IsDeadlineExceeded(late.status()) || (late.ok() && late->exit_code == -1)));
    CHECK(b.Status(id).state == ContainerState::kRunning);
    auto url = b.client->Await(runtime.ExecUrl(id, {"sh"}, {}));
    REQUIRE(url.ok());
    CHECK(url->find("://") != std::string::npos);
    CHECK_FALSE(b.client->Await(runtime.ExecSync(ContainerId("nope"), {"true"}, 5s)).ok());
  });
}

TEST_CASE("contract: a container that is removed leaves its log, and the next attempt takes its place") {
  ForEach([](Backend& b) {
    auto& runtime = *b.client->runtime;
    auto pod = b.Pod("again");
    auto sandbox = b.Run(pod);
    auto config = ContainerNamed("main", pod, b.image, "echo first; sleep 0.2; exit 42");
    config.namespaces = pod.namespaces;
    config.log_path = "main-0.log";
    auto first = b.client->Await(runtime.CreateContainer(sandbox, config, pod));
    REQUIRE(first.ok());
    b.Start(*first);
    CHECK(b.WaitExited(*first).exit_code == 42);
    REQUIRE(b.client->Await(runtime.RemoveContainer(*first)).ok());
    CHECK(ReadFile(pod.log_directory + "/main-0.log").find("stdout F first") != std::string::npos);
    config.attempt = 1;
    config.log_path = "main-1.log";
    auto second = b.client->Await(runtime.CreateContainer(sandbox, config, pod));
    REQUIRE(second.ok());
    b.Start(*second);
    CHECK(b.Status(*second).attempt == 1);
    auto status = b.client->Await(runtime.PodSandboxStatus(sandbox));
    REQUIRE(status.ok());
    CHECK(status->sandbox.state == SandboxState::kReady);
  });
}

TEST_CASE("contract: a container in the PID namespace of another sees its processes") {
  ForEach([](Backend& b) {
    if (b.fake) return;  // has no processes
    auto& runtime = *b.client->runtime;
    auto pod = b.Pod("target");
    auto sandbox = b.Run(pod);
    auto target = b.Create(sandbox, pod, "main", std::string(kForever) + " # marked-target");
    b.Start(target);
    auto config = ContainerNamed("debug", pod, b.image, "grep -q marked-target /proc/1/cmdline");
    config.log_path = "debug.log";
    config.namespaces = pod.namespaces;
    config.namespaces.pid = runtime::NamespaceMode::kTarget;
    config.namespaces.target_id = target.str();
    auto id = b.client->Await(runtime.CreateContainer(sandbox, config, pod));
    INFO(id.status());
    REQUIRE(id.ok());
    b.Start(*id);
    CHECK(b.WaitExited(*id).exit_code == 0);
  });
}

TEST_CASE("contract: lists hold everything of a pod, in every state, and nothing else") {
  ForEach([](Backend& b) {
    auto& runtime = *b.client->runtime;
    auto one = b.Pod("one"), two = b.Pod("two");
    auto sandbox_one = b.Run(one), sandbox_two = b.Run(two);
    auto ended = b.Create(sandbox_one, one, "ended", "exit 0");
    b.Start(ended);
    b.WaitExited(ended);
    auto running = b.Create(sandbox_one, one, "running", kForever);
    b.Start(running);
    auto created = b.Create(sandbox_one, one, "created", kForever);
    auto other = b.Create(sandbox_two, two, "other", kForever);

    auto containers = b.client->Await(runtime.ListContainers(one.uid));
    REQUIRE(containers.ok());
    std::map<ContainerId, ContainerState> states;
    for (const auto& container : *containers) {
      states[container.id] = container.state;
      CHECK(container.sandbox_id == sandbox_one);
    }
    CHECK(states == std::map<ContainerId, ContainerState>{{ended, ContainerState::kExited},
                                                          {running, ContainerState::kRunning},
                                                          {created, ContainerState::kCreated}});
    auto all = b.client->Await(runtime.ListContainers(""));
    REQUIRE(all.ok());
    CHECK(std::any_of(all->begin(), all->end(), [&](const auto& c) { return c.id == other; }));

    REQUIRE(b.client->Await(runtime.StopPodSandbox(sandbox_two)).ok());
    auto stopped = b.WaitStopped(two.uid);
    CHECK(stopped.id == sandbox_two);
    CHECK(Holds(stopped.labels, two.labels));
  });
}

TEST_CASE("contract: what is gone is NotFound to ask and no error to remove") {
  ForEach([](Backend& b) {
    auto& runtime = *b.client->runtime;
    const std::string none(64, '0');
    CHECK(
        absl::IsNotFound(b.client->Await(runtime.GetContainerStatus(ContainerId(none))).status()));
    CHECK(absl::IsNotFound(b.client->Await(runtime.PodSandboxStatus(SandboxId(none))).status()));
    auto Gone = [](const absl::Status& status) { return status.ok() || absl::IsNotFound(status); };
    CHECK(Gone(b.client->Await(runtime.StopContainer(ContainerId(none), 1s))));
    CHECK(Gone(b.client->Await(runtime.RemoveContainer(ContainerId(none)))));
    CHECK(Gone(b.client->Await(runtime.StopPodSandbox(SandboxId(none)))));
    CHECK(Gone(b.client->Await(runtime.RemovePodSandbox(SandboxId(none)))));

    auto pod = b.Pod("removed");
    auto sandbox = b.Run(pod);
    auto id = b.Create(sandbox, pod, "main", "exit 0");
    b.Start(id);
    b.WaitExited(id);
    REQUIRE(b.client->Await(runtime.RemoveContainer(id)).ok());
    CHECK(absl::IsNotFound(b.client->Await(runtime.GetContainerStatus(id)).status()));
  });
}

TEST_CASE(
    "contract: the same attempt of a sandbox or container is never there twice, the next one can be") {
  ForEach([](Backend& b) {
    auto& runtime = *b.client->runtime;
    auto pod = b.Pod("twice");
    auto sandbox = b.Run(pod);
    // containerd refuses; CRI-O answers with the one that is there.
    auto twin = b.client->Await(runtime.RunPodSandbox(pod));
    CHECK((!twin.ok() || *twin == sandbox));
    auto first = b.Create(sandbox, pod, "main", "exit 0");
    auto again = ContainerNamed("main", pod, b.image, "exit 0");
    auto second = b.client->Await(runtime.CreateContainer(sandbox, again, pod));
    CHECK((!second.ok() || *second == first));
    again.attempt = 1;
    auto next = b.client->Await(runtime.CreateContainer(sandbox, again, pod));
    REQUIRE(next.ok());
    CHECK(b.Status(*next).attempt == 1);
  });
}

TEST_CASE("contract: a cancelled call ends at once and the runtime goes on") {
  ForEach([](Backend& b) {
    auto& runtime = *b.client->runtime;
    auto pod = b.Pod("cancel");
    auto sandbox = b.Run(pod);
    auto id = b.Create(sandbox, pod, "main", kForever);
    b.Start(id);
    std::optional<absl::StatusOr<runtime::ExecResult>> result;
    base::TaskScope scope(b.client->loop.io.get_executor());
    scope.Spawn("exec", StoreResult(runtime.ExecSync(id, {"sh", "-c", "sleep 1000"}, 0s), result));
    REQUIRE(b.client->loop.RunUntil([&] { return b.client->connection->in_flight() == 1; }));
    b.client->loop.StopScope(scope);
    REQUIRE(result.has_value());
    CHECK(absl::IsCancelled(result->status()));
    CHECK(b.Status(id).state == ContainerState::kRunning);
  });
}

TEST_CASE("contract: images that are there have id and size, others are absent") {
  ForEach([](Backend& b) {
    if (b.fake) {
      fakes::FakeCriServer::ImageSpec hidden;
      hidden.present = false;
      b.fake->server->AddImage("registry.invalid/none:1", hidden);
    }
    auto image = b.client->Await(b.client->images->ImageStatus(b.image));
    REQUIRE(image.ok());
    REQUIRE(image->has_value());
    CHECK_FALSE((*image)->id.empty());
    CHECK((*image)->size_bytes > 0);
    auto list = b.client->Await(b.client->images->ListImages());
    REQUIRE(list.ok());
    CHECK(std::any_of(list->begin(), list->end(),
                      [&](const auto& i) { return i.id == (*image)->id; }));
    auto none = b.client->Await(b.client->images->ImageStatus(std::string("registry.invalid/none:1")));
    REQUIRE(none.ok());
    CHECK_FALSE(none->has_value());
    auto info = b.client->Await(b.client->images->ImageFsInfo());
    REQUIRE(info.ok());
    REQUIRE_FALSE(info->image_filesystems.empty());
    CHECK_FALSE(info->image_filesystems[0].mountpoint.empty());
  });
}

TEST_CASE("contract: resources of a running container can be changed") {
  ForEach([](Backend& b) {
    auto pod = b.Pod("resize");
    auto sandbox = b.Run(pod);
    auto id = b.Create(sandbox, pod, "main", kForever);
    b.Start(id);
    runtime::LinuxResources resources;
    resources.cpu_shares = 512;
    auto updated = b.client->Await(b.client->runtime->UpdateContainerResources(id, resources));
    INFO(updated);
    REQUIRE(updated.ok());
    auto status = b.Status(id);
    if (status.resources) CHECK(status.resources->cpu_shares == 512);
  });
}

// First line of a file in the container's cgroup on this machine.
std::string OfCgroup(const std::string& controller, const ContainerId& id,
                     const std::string& file) {
  namespace fs = std::filesystem;
  std::error_code error;
  for (fs::recursive_directory_iterator it("/sys/fs/cgroup/" + controller, error), end;
       it != end && !error; it.increment(error)) {
    if (it->path().filename().string().find(id.str()) == std::string::npos) continue;
    std::ifstream in(it->path() / file);
    std::string line;
    if (std::getline(in, line)) return line;
  }
  return "not found";
}

TEST_CASE("contract: CPU and memory limits of a running container are changed in its cgroup") {
  ForEach([](Backend& b) {
    auto pod = b.Pod("resize-limits");
    auto sandbox = b.Run(pod);
    auto id = b.Create(sandbox, pod, "main", kForever);
    b.Start(id);
    runtime::LinuxResources resources;
    resources.cpu_shares = 205;
    resources.cpu_period = 100'000;
    resources.cpu_quota = 20'000;
    resources.memory_limit_bytes = 96 << 20;
    auto updated = b.client->Await(b.client->runtime->UpdateContainerResources(id, resources));
    INFO(updated);
    REQUIRE(updated.ok());
    // The other resource stays.
    resources = {};
    resources.cpu_period = 100'000;
    resources.cpu_quota = 30'000;
    REQUIRE(b.client->Await(b.client->runtime->UpdateContainerResources(id, resources)).ok());
    auto status = b.Status(id);
    CHECK(status.state == runtime::ContainerState::kRunning);
    if (status.resources) {
      CHECK(status.resources->cpu_quota == 30'000);
      CHECK(status.resources->memory_limit_bytes == 96 << 20);
    }
    if (b.fake) return;
    bool v2 = std::filesystem::exists("/sys/fs/cgroup/cgroup.controllers");
    CHECK(OfCgroup(v2 ? "" : "cpu", id, v2 ? "cpu.max" : "cpu.cfs_quota_us") ==
          (v2 ? "30000 100000" : "30000"));
    CHECK(OfCgroup(v2 ? "" : "memory", id, v2 ? "memory.max" : "memory.limit_in_bytes") ==
          std::to_string(96 << 20));
  });
}

TEST_CASE("contract: resources of a sandbox are taken note of, or the runtime says it cannot") {
  ForEach([](Backend& b) {
    auto pod = b.Pod("resize-sandbox");
    auto sandbox = b.Run(pod);
    runtime::LinuxResources resources;
    resources.cpu_shares = 512;
    runtime::LinuxResources overhead;
    auto told = b.client->Await(
        b.client->runtime->UpdatePodSandboxResources(sandbox, overhead, resources));
    INFO(told);
    bool lacks = absl::IsUnimplemented(told) ||
                 told.message().find("not implemented") != absl::string_view::npos;
    CHECK((told.ok() || lacks));
  });
}

TEST_CASE("contract: events name the pods that changed, or the runtime says it has none") {
  ForEach([](Backend& b) {
    bool open = false;
    std::vector<runtime::RuntimeEvent> events;
    std::optional<absl::Status> ended;
    auto on_open = [&] { open = true; };
    auto on_event = [&](const runtime::RuntimeEvent& event) { events.push_back(event); };
    base::TaskScope scope(b.client->loop.io.get_executor());
    scope.Spawn("events", StoreResult(b.client->runtime->StreamEvents(on_open, on_event), ended));
    // Established for sure: the answer to a later call on the same connection has come.
    REQUIRE(b.client->Await(b.client->runtime->Version()).ok());
    b.client->loop.Advance(GrpcContainerRuntime::kStreamOpenAfter);
    if (b.fake)
      REQUIRE(b.client->loop.RunUntil([&] { return b.fake->server->EventStreams() == 1; }));
    auto pod = b.Pod("events");
    auto sandbox = b.Run(pod);
    auto id = b.Create(sandbox, pod, "main", "exit 0");
    b.Start(id);
    b.WaitExited(id);
    if (ended && absl::IsUnimplemented(*ended)) {
      WARN("skipped: the runtime has no events");
      return;
    }
    auto Seen = [&] {
      return std::any_of(events.begin(), events.end(),
                         [&](const auto& e) { return e.pod_uid == pod.uid; });
    };
    CHECK(b.client->loop.RunUntil(Seen));
    CHECK(open);
    b.client->loop.StopScope(scope);
    REQUIRE(ended.has_value());
    CHECK(absl::IsCancelled(*ended));
  });
}

}  // namespace
}  // namespace kubelet::cri
