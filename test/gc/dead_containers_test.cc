#include "kubelet/gc/dead_containers.h"

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "catch.h"
#include "fakes/fake_runtime.h"

namespace kubelet::gc {
namespace {

using runtime::ContainerState;
using Strings = std::vector<std::string>;

// Newest first, as observed pods have them: two instances of `a` and one of `b` in the sandbox s1,
// an older `a` in s0.
runtime::ObservedPod Pod(ContainerState newest_a) {
  runtime::ObservedPod pod;
  auto add = [&](const char* id, const char* name, ContainerState state, const char* sandbox) {
    runtime::ContainerStatus c;
    c.id = runtime::ContainerId(id);
    c.name = name;
    c.state = state;
    pod.containers.push_back(c);
    pod.sandbox_of[c.id] = runtime::SandboxId(sandbox);
  };
  add("a2", "a", newest_a, "s1");
  add("b0", "b", ContainerState::kExited, "s1");
  add("a1", "a", ContainerState::kExited, "s1");
  add("a0", "a", ContainerState::kExited, "s0");
  for (const char* id : {"s1", "s0"}) {
    runtime::Sandbox sandbox;
    sandbox.id = runtime::SandboxId(id);
    pod.sandboxes.push_back(sandbox);
  }
  return pod;
}

Strings Of(const Remains& remains) {
  Strings out;
  for (const auto& c : remains.containers) out.push_back(c.id.str());
  for (const auto& s : remains.sandboxes) out.push_back(s.str());
  return out;
}

TEST_CASE("of a pod that goes on the last instance of each name stays, with its sandbox") {
  auto state = GENERATE(ContainerState::kRunning, ContainerState::kExited);
  CHECK(Of(FindRemains(Pod(state), false)) == Strings{"a1", "a0", "s0"});
}

TEST_CASE("of a pod that is over everything goes that does not run") {
  CHECK(Of(FindRemains(Pod(ContainerState::kExited), true)) ==
        Strings{"a2", "b0", "a1", "a0", "s1", "s0"});
  CHECK(Of(FindRemains(Pod(ContainerState::kRunning), true)) == Strings{"b0", "a1", "a0", "s0"});
  auto pod = Pod(ContainerState::kExited);
  pod.sandboxes[0].state = runtime::SandboxState::kReady;
  CHECK(Of(FindRemains(pod, true)) == Strings{"a2", "b0", "a1", "a0", "s0"});
}

struct Recorder : test::FakeRuntimeClient {
  using FakeRuntimeClient::FakeRuntimeClient;
  Strings removed;
  std::string stubborn;
  base::Task<absl::Status> RemoveContainer(runtime::ContainerId id) override {
    if (id.str() == stubborn) co_return absl::UnavailableError("busy");
    removed.push_back(id.str());
    if (id.str() == "gone") co_return absl::NotFoundError("no such container");
    co_return absl::OkStatus();
  }
  base::Task<absl::Status> RemovePodSandbox(runtime::SandboxId id) override {
    removed.push_back(id.str());
    co_return absl::OkStatus();
  }
};

base::Task<void> Into(base::Task<absl::Status> task, std::optional<absl::Status>* out) {
  auto status = co_await std::move(task);
  *out = status;
}

TEST_CASE("logs go with their containers; an error stops nothing") {
  namespace fs = std::filesystem;
  std::string name = (fs::temp_directory_path() / "kubelet-dead-XXXXXX").string();
  std::string dir = mkdtemp(name.data());
  for (const char* file : {"0.log", "0.log.20260101-000000.gz", "1.log", "2.log"})
    std::ofstream(dir + "/" + file) << "line\n";
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};
  test::FakeRuntime world{io.get_executor(), clock};
  Recorder runtime{world};
  runtime.stubborn = "stubborn";
  Remains remains;
  remains.containers = {{runtime::ContainerId("first"), dir + "/0.log"},
                        {runtime::ContainerId("stubborn"), dir + "/1.log"},
                        {runtime::ContainerId("gone"), ""}};
  remains.sandboxes = {runtime::SandboxId("s")};
  std::optional<absl::Status> status;
  base::TaskScope scope(io.get_executor());
  scope.Spawn("remove", Into(RemoveRemains(runtime, pool, std::move(remains)), &status));
  auto work = boost::asio::make_work_guard(io);
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!status && std::chrono::steady_clock::now() < end)
    io.run_one_for(std::chrono::milliseconds(20));
  REQUIRE(status);
  CHECK(absl::IsUnavailable(*status));
  CHECK(runtime.removed == Strings{"first", "gone", "s"});
  Strings left;
  for (const auto& entry : fs::directory_iterator(dir)) left.push_back(entry.path().filename());
  std::sort(left.begin(), left.end());
  CHECK(left == Strings{"1.log", "2.log"});
  fs::remove_all(dir);
}

}  // namespace
}  // namespace kubelet::gc
