// The fake itself: what tests of other rooms rely on.
#include "catch.h"
#include "cri/harness.h"
#include "fakes/cri_server_program.h"

namespace kubelet::fakes {
namespace {

using cri::Fake;

std::string Text(const Program& program) {
  std::string out;
  for (const auto& step : program.steps) {
    if (step.kind == Step::Kind::kPrint)
      out += (step.to_stderr ? "err(" : "out(") + step.text + ") ";
    if (step.kind == Step::Kind::kSleep)
      out += "sleep(" + std::to_string(step.duration.count() / 1'000'000) + "ms) ";
    if (step.kind == Step::Kind::kExit) out += "exit(" + std::to_string(step.exit_code) + ")";
    if (step.kind == Step::Kind::kForever) out += "forever";
  }
  return out;
}

TEST_CASE("the fake's shell") {
  struct Case {
    std::vector<std::string> command;
    std::string container, exec;
  };
  const std::vector<Case> cases = {
      {{}, "forever", "exit(0)"},
      {{"/pause"}, "forever", "exit(0)"},
      {{"true"}, "exit(0)", "exit(0)"},
      {{"/bin/false"}, "exit(1)", "exit(1)"},
      {{"sleep", "infinity"}, "forever", "forever"},
      {{"sleep", "1.5"}, "sleep(1500ms) exit(0)", "sleep(1500ms) exit(0)"},
      {{"echo", "a b", "c"}, "out(a b c) exit(0)", "out(a b c) exit(0)"},
      {{"sh", "-c", "echo 'a; b'; echo e >&2 && exit 3; echo no"},
       "out(a; b) err(e) exit(3)",
       "out(a; b) err(e) exit(3)"},
      {{"/bin/sh", "-c", "while true; do sleep 1; done"}, "forever", "forever"},
      {{"sh", "-c", "sleep 1000 & wait"}, "forever", "forever"},
      {{"sh", "-c", "mount /x; false"}, "exit(1)", "exit(1)"},
      {{"sh", "-c", "exec sleep 2"}, "sleep(2000ms) exit(0)", "sleep(2000ms) exit(0)"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.command);
    CHECK(Text(ParseProgram(c.command, ProgramUse::kContainer)) == c.container);
    CHECK(Text(ParseProgram(c.command, ProgramUse::kExec)) == c.exec);
  }
  CHECK(ParseProgram({"sh", "-c", "trap '' TERM; wait"}, ProgramUse::kContainer).ignores_term);
  CHECK(ParseProgram({"sh", "-c", "trap 'exit 4' TERM; wait"}, ProgramUse::kContainer).term_exit ==
        4);
}

TEST_CASE("a gate blocks the calls of one container only") {
  Fake fake;
  auto& client = *fake.client;
  auto pod = cri::PodNamed("web", "u1");
  auto sandbox = client.Await(client.runtime->RunPodSandbox(pod));
  REQUIRE(sandbox.ok());
  auto gate = fake.server->Block("CreateContainer", "slow");
  std::optional<absl::StatusOr<runtime::ContainerId>> slow;
  client.scope->Spawn(
      "slow", cri::StoreResult(client.runtime->CreateContainer(
                                   *sandbox, cri::ContainerNamed("slow", pod, "i", "exit 0"), pod),
                               slow));
  REQUIRE(client.loop.RunUntil([&] { return gate->waiting() == 1; }));
  CHECK(client
            .Await(client.runtime->CreateContainer(
                *sandbox, cri::ContainerNamed("quick", pod, "i", "exit 0"), pod))
            .ok());
  CHECK_FALSE(slow.has_value());
  gate->Open();
  REQUIRE(client.loop.RunUntil([&] { return slow.has_value(); }));
  CHECK(slow->ok());
  auto calls = fake.server->calls();
  REQUIRE(calls.size() == 3);
  CHECK(calls[1].method == "CreateContainer");
  CHECK(calls[1].container == "slow");
  CHECK(calls[1].pod == "web");
  CHECK(calls[1].finished);
}

TEST_CASE("faults are used up, by the calls they are meant for") {
  Fake fake;
  auto& client = *fake.client;
  Fault fault;
  fault.method = "RunPodSandbox";
  fault.subject = "b";
  fault.times = 2;
  fault.code = kFakeResourceExhausted;
  fake.server->Inject(fault);
  CHECK(client.Await(client.runtime->RunPodSandbox(cri::PodNamed("a", "ua"))).ok());
  for (int i = 0; i < 2; ++i) {
    CHECK(absl::IsResourceExhausted(
        client.Await(client.runtime->RunPodSandbox(cri::PodNamed("b", "ub"))).status()));
  }
  CHECK(client.Await(client.runtime->RunPodSandbox(cri::PodNamed("b", "ub"))).ok());
  CHECK(fake.server->Count("RunPodSandbox") == 4);
}

TEST_CASE("a hanging call has done its work") {
  Fake fake(std::chrono::milliseconds(100));
  Fault fault;
  fault.kind = FaultKind::kHang;
  fault.method = "RunPodSandbox";
  fake.server->Inject(fault);
  auto id = fake.client->Await(fake.client->runtime->RunPodSandbox(cri::PodNamed("a", "ua")));
  CHECK(absl::IsDeadlineExceeded(id.status()));
  CHECK(fake.server->SandboxCount() == 1);
}

TEST_CASE("a test can end containers and sandboxes from outside") {
  Fake fake;
  auto& client = *fake.client;
  auto pod = cri::PodNamed("web", "u1");
  auto sandbox = client.Await(client.runtime->RunPodSandbox(pod));
  REQUIRE(sandbox.ok());
  auto id = client.Await(
      client.runtime->CreateContainer(*sandbox, cri::ContainerNamed("c", pod, "i", "wait"), pod));
  REQUIRE(id.ok());
  CHECK_FALSE(fake.server->ExitContainer(id->str(), 1));
  REQUIRE(client.Await(client.runtime->StartContainer(*id)).ok());
  CHECK(fake.server->ExitContainer(id->str(), 137, "OOMKilled"));
  auto status = client.Await(client.runtime->GetContainerStatus(*id));
  REQUIRE(status.ok());
  CHECK(status->exit_code == 137);
  CHECK(status->reason == "OOMKilled");
  CHECK(fake.server->KillSandbox(sandbox->str()));
  CHECK_FALSE(fake.server->KillSandbox(sandbox->str()));
  auto after = client.Await(client.runtime->PodSandboxStatus(*sandbox));
  REQUIRE(after.ok());
  CHECK(after->sandbox.state == runtime::SandboxState::kNotReady);
  CHECK(after->ip.empty());
}

TEST_CASE("hundreds of slow sandboxes are made side by side") {
  Fake fake;
  auto& client = *fake.client;
  fake.server->SetDelay("RunPodSandbox", std::chrono::milliseconds(300));
  std::vector<std::optional<absl::StatusOr<runtime::SandboxId>>> results(300);
  auto begun = std::chrono::steady_clock::now();
  for (size_t i = 0; i < results.size(); ++i) {
    auto pod = cri::PodNamed("p" + std::to_string(i), "u" + std::to_string(i));
    client.scope->Spawn("run", cri::StoreResult(client.runtime->RunPodSandbox(pod), results[i]));
  }
  REQUIRE(client.loop.RunUntil([&] { return client.scope->size() == 0; }));
  for (const auto& result : results) CHECK((result && result->ok()));
  // One after the other they would take 90 s.
  CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(20));
  CHECK(fake.server->SandboxCount() == 300);
}

}  // namespace
}  // namespace kubelet::fakes
