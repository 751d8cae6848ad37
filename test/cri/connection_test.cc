#include "kubelet/cri/connection.h"

#include <filesystem>

#include "catch.h"
#include "cri/harness.h"
#include "cri/runtime/v1/api.pb.h"
#include "kubelet/base/status.h"

namespace kubelet::cri {
namespace {

namespace v1 = ::runtime::v1;

TEST_CASE("endpoints are unix sockets") {
  struct Case {
    std::string text;
    std::string target;  // empty: refused
  };
  const std::vector<Case> cases = {
      {"unix:///run/containerd/containerd.sock", "unix:///run/containerd/containerd.sock"},
      {"unix:/run/x.sock", "unix:///run/x.sock"},
      {"/run/x.sock", "unix:///run/x.sock"},
      {"", ""},
      {"unix://", ""},
      {"unix://run/x.sock", ""},
      {"run/x.sock", ""},
      {"tcp://127.0.0.1:1", ""},
      {"npipe:////./pipe/x", ""},
      {"/" + std::string(106, 'a'), "unix:///" + std::string(106, 'a')},
      {"/" + std::string(107, 'a'), ""},
  };
  for (const auto& c : cases) {
    auto parsed = ParseEndpoint(c.text);
    CAPTURE(c.text);
    CHECK(parsed.ok() == !c.target.empty());
    if (parsed.ok()) {
      CHECK(*parsed == c.target);
    } else {
      CHECK(absl::IsInvalidArgument(parsed.status()));
      CHECK(base::Message(parsed.status()).find("\"" + c.text + "\"") != std::string::npos);
    }
  }
}

// What the fake saw on the latest call of `method`; -1: no deadline.
double TimeoutSeen(const fakes::FakeCriServer& server, const std::string& method) {
  double seconds = -2;
  for (const auto& call : server.calls()) {
    if (call.method != method) continue;
    seconds = call.timeout ? std::chrono::duration<double>(*call.timeout).count() : -1;
  }
  return seconds;
}

// gRPC sends a timeout with three digits or so, rounded up, and the way to the server takes a
// little of it.
bool About(double seconds, double expected) {
  return seconds > expected - 2 && seconds < expected * 1.02;
}

TEST_CASE("every call carries the deadline of its kind to the runtime") {
  Fake fake(100s);
  auto& client = *fake.client;
  auto& runtime = *client.runtime;
  auto pod = PodNamed("web", "u1");
  auto sandbox = client.Await(runtime.RunPodSandbox(pod));
  REQUIRE(sandbox.ok());
  auto container = client.Await(runtime.CreateContainer(
      *sandbox, ContainerNamed("app", pod, "img", "sleep 1000000000"), pod));
  REQUIRE(container.ok());
  REQUIRE(client.Await(runtime.StartContainer(*container)).ok());
  REQUIRE(client.Await(runtime.ExecSync(*container, {"true"}, 7s)).ok());
  CHECK(About(TimeoutSeen(*fake.server, "ExecSync"), 107));
  REQUIRE(client.Await(runtime.ExecSync(*container, {"true"}, 0s)).ok());
  CHECK(TimeoutSeen(*fake.server, "ExecSync") == -1);
  REQUIRE(client.Await(runtime.StopContainer(*container, 30s)).ok());
  REQUIRE(client.Await(runtime.ListContainers("")).ok());
  REQUIRE(client.Await(client.images->PullImage(std::string("img"), std::nullopt, pod)).ok());
  REQUIRE(client.Await(client.images->ImageFsInfo()).ok());
  CHECK(About(TimeoutSeen(*fake.server, "RunPodSandbox"), 200));
  CHECK(About(TimeoutSeen(*fake.server, "CreateContainer"), 100));
  CHECK(About(TimeoutSeen(*fake.server, "StartContainer"), 100));
  CHECK(About(TimeoutSeen(*fake.server, "StopContainer"), 130));
  CHECK(About(TimeoutSeen(*fake.server, "ListContainers"), 100));
  CHECK(TimeoutSeen(*fake.server, "PullImage") == -1);
  CHECK(About(TimeoutSeen(*fake.server, "ImageFsInfo"), 100));
}

TEST_CASE("a runtime that does not answer ends as DeadlineExceeded") {
  Fake fake(50ms);
  auto gate = fake.server->Block("Version");
  auto version = fake.client->Await(fake.client->runtime->Version());
  CHECK(absl::IsDeadlineExceeded(version.status()));
  CHECK(fake.client->loop.RunUntil([&] { return fake.client->connection->in_flight() == 0; }));
}

TEST_CASE("codes and messages of the runtime arrive as they are") {
  Fake fake;
  for (int code = 1; code <= 16; ++code) {
    fakes::Fault fault;
    fault.method = "Version";
    fault.code = code;
    fault.message = "said with code " + std::to_string(code);
    fake.server->Inject(fault);
    auto version = fake.client->Await(fake.client->runtime->Version());
    CHECK(static_cast<int>(version.status().code()) == code);
    CHECK(base::Message(version.status()) == fault.message);
  }
  CHECK(fake.client->Await(fake.client->runtime->Version()).ok());
}

TEST_CASE("cancelling a task cancels its call, waits for its end, and others go on") {
  Fake fake;
  auto& client = *fake.client;
  auto gate = fake.server->Block("RunPodSandbox", "slow");
  std::optional<absl::StatusOr<runtime::SandboxId>> result;
  base::TaskScope scope(client.loop.io.get_executor());
  scope.Spawn("run", StoreResult(client.runtime->RunPodSandbox(PodNamed("slow", "u1")), result));
  REQUIRE(client.loop.RunUntil([&] { return gate->waiting() == 1; }));
  CHECK(client.Await(client.runtime->RunPodSandbox(PodNamed("quick", "u2"))).ok());
  client.loop.StopScope(scope);
  CHECK(scope.size() == 0);
  REQUIRE(result.has_value());
  CHECK(absl::IsCancelled(result->status()));
  CHECK(client.loop.RunUntil([&] { return gate->waiting() == 0; }));
  gate->Open();
  CHECK(fake.server->SandboxCount() == 1);  // the cancelled call did no work
}

TEST_CASE("destroying the connection ends calls that nobody answers") {
  Fake fake;
  auto& client = *fake.client;
  auto gate = fake.server->Block("Status");
  std::optional<absl::StatusOr<runtime::RuntimeStatus>> result;
  client.scope->Spawn("status", StoreResult(client.runtime->Status(), result));
  REQUIRE(client.loop.RunUntil([&] { return gate->waiting() == 1; }));
  client.connection.reset();
  REQUIRE(client.loop.RunUntil([&] { return result.has_value(); }));
  CHECK(absl::IsCancelled(result->status()));
  // And none starts any more.
  CHECK(absl::IsCancelled(client.Await(client.runtime->Version()).status()));
  CHECK(absl::IsCancelled(client.Await(client.runtime->StreamEvents(nullptr, nullptr))));
  CHECK(fake.server->Count("Version") == 0);
}

TEST_CASE("a runtime that is not there is Unavailable at once, and found when it comes") {
  TempDir dir;
  Client client(EndpointOptions(dir / "cri.sock", 60s));
  auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i)
    CHECK(absl::IsUnavailable(client.Await(client.runtime->Version()).status()));
  CHECK(std::chrono::steady_clock::now() - begun <
        10s);  // 20 waits for a connection would take 100 s

  fakes::FakeCriOptions options;
  options.socket = dir / "cri.sock";
  fakes::FakeCriServer server(options);
  REQUIRE(server.Start());
  auto Found = [&] {
    for (auto end = std::chrono::steady_clock::now() + 20s;
         std::chrono::steady_clock::now() < end;) {
      if (client.Await(client.runtime->Version()).ok()) return true;
    }
    return false;
  };
  CHECK(Found());

  // Restarted with its state.
  REQUIRE(client.Await(client.runtime->RunPodSandbox(PodNamed("web", "u1"))).ok());
  server.Stop();
  CHECK(absl::IsUnavailable(client.Await(client.runtime->Version()).status()));
  REQUIRE(server.Start());
  CHECK(Found());
  auto list = client.Await(client.runtime->ListPodSandbox(""));
  REQUIRE(list.ok());
  CHECK(list->size() == 1);
}

TEST_CASE("a call in flight when the runtime dies is Unavailable or Cancelled") {
  Fake fake;
  auto& client = *fake.client;
  auto gate = fake.server->Block("Status");
  std::optional<absl::StatusOr<runtime::RuntimeStatus>> result;
  client.scope->Spawn("status", StoreResult(client.runtime->Status(), result));
  REQUIRE(client.loop.RunUntil([&] { return gate->waiting() == 1; }));
  fake.server->Stop();
  REQUIRE(client.loop.RunUntil([&] { return result.has_value(); }));
  CHECK((absl::IsUnavailable(result->status()) || absl::IsCancelled(result->status())));
}

TEST_CASE("an answer of 10 MB is taken, one above 16 MiB is refused") {
  Fake fake;
  auto& client = *fake.client;
  for (int i = 0; i < 2; ++i) {
    auto pod = PodNamed("p" + std::to_string(i), "u" + std::to_string(i));
    pod.annotations["big"] = std::string(10'000'000, 'x');
    REQUIRE(client.Await(client.runtime->RunPodSandbox(pod)).ok());
    auto list = client.Await(client.runtime->ListPodSandbox(""));
    if (i == 0) {
      REQUIRE(list.ok());
      CHECK(list->at(0).annotations["big"].size() == 10'000'000);
    } else {
      CHECK(absl::IsResourceExhausted(list.status()));
    }
  }
}

TEST_CASE("the observer hears of every unary call under upstream's name") {
  TempDir dir;
  fakes::FakeCriOptions server_options;
  server_options.socket = dir / "cri.sock";
  fakes::FakeCriServer server(server_options);
  REQUIRE(server.Start());
  std::vector<std::pair<std::string, absl::StatusCode>> seen;
  auto options = EndpointOptions("unix://" + server.socket());
  options.observer = [&](const std::string& operation, base::Nanos, const absl::Status& status) {
    seen.emplace_back(operation, status.code());
  };
  Client client(options);
  auto pod = PodNamed("web", "u1");
  auto sandbox = client.Await(client.runtime->RunPodSandbox(pod));
  REQUIRE(sandbox.ok());
  (void)client.Await(client.runtime->GetContainerStatus(runtime::ContainerId("nope")));
  (void)client.Await(client.runtime->StopPodSandbox(*sandbox));
  (void)client.Await(client.runtime->RemovePodSandbox(*sandbox));
  (void)client.Await(client.images->ListImages());
  using absl::StatusCode;
  CHECK(seen ==
        std::vector<std::pair<std::string, StatusCode>>{{"run_podsandbox", StatusCode::kOk},
                                                        {"container_status", StatusCode::kNotFound},
                                                        {"stop_podsandbox", StatusCode::kOk},
                                                        {"remove_podsandbox", StatusCode::kOk},
                                                        {"list_images", StatusCode::kOk}});
}

TEST_CASE("a lost answer leaves its work behind") {
  Fake fake;
  auto& client = *fake.client;
  fakes::Fault fault;
  fault.kind = fakes::FaultKind::kLoseResponse;
  fault.method = "RunPodSandbox";
  fake.server->Inject(fault);
  CHECK(absl::IsUnavailable(
      client.Await(client.runtime->RunPodSandbox(PodNamed("web", "u1"))).status()));
  auto list = client.Await(client.runtime->ListPodSandbox("u1"));
  REQUIRE(list.ok());
  CHECK(list->size() == 1);
}

TEST_CASE("images may live at another endpoint") {
  TempDir dir;
  fakes::FakeCriOptions first, second;
  first.socket = dir / "a.sock";
  second.socket = dir / "b.sock";
  fakes::FakeCriServer pods(first), images(second);
  REQUIRE(pods.Start());
  REQUIRE(images.Start());
  auto options = EndpointOptions(pods.socket());
  options.image_endpoint = images.socket();
  Client client(options);
  CHECK(client.Await(client.runtime->Version()).ok());
  CHECK(client.Await(client.images->ListImages()).ok());
  CHECK(pods.Count("Version") == 1);
  CHECK(pods.Count("ListImages") == 0);
  CHECK(images.Count("ListImages") == 1);
}

TEST_CASE("credentials and pod go with a pull") {
  Fake fake;
  fakes::FakeCriServer::ImageSpec secret;
  secret.present = false;
  secret.need_username = "bob";
  secret.need_password = "pw";
  fake.server->AddImage("private:1", secret);
  auto& client = *fake.client;
  auto pod = PodNamed("web", "u1");
  auto absent = client.Await(client.images->ImageStatus(std::string("private:1")));
  REQUIRE(absent.ok());
  CHECK_FALSE(absent->has_value());
  CHECK_FALSE(client.Await(client.images->PullImage(std::string("private:1"), std::nullopt, pod)).ok());
  runtime::AuthConfig auth;
  auth.username = "bob";
  auth.password = "pw";
  runtime::ImageSpec spec(std::string("private:1"));
  spec.annotations = {{"k", "v"}};
  spec.runtime_handler = "kata";
  auto ref = client.Await(client.images->PullImage(spec, auth, pod));
  REQUIRE(ref.ok());
  v1::PullImageRequest request;
  REQUIRE(request.ParseFromString(fake.server->LastRequest("PullImage")));
  CHECK(request.sandbox_config().metadata().uid() == "u1");
  CHECK(request.image().annotations().at("k") == "v");
  CHECK(request.image().runtime_handler() == "kata");
  CHECK(request.auth().username() == "bob");
  auto image = client.Await(client.images->ImageStatus(std::string("private:1")));
  REQUIRE(image.ok());
  REQUIRE(image->has_value());
  CHECK((*image)->id == *ref);
}

TEST_CASE("the number of threads does not grow with the machine") {
  CHECK(::sysconf(_SC_NPROCESSORS_CONF) <= 2);
  CHECK(::sysconf(_SC_NPROCESSORS_ONLN) <= 2);
  CHECK(::sysconf(_SC_PAGESIZE) >= 4096);
  Fake fake;
  REQUIRE(fake.client->Await(fake.client->runtime->Version()).ok());
  size_t threads = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task"))
    ++threads;
  CHECK(threads < 16);  // client, server and the fake's timer together
}

}  // namespace
}  // namespace kubelet::cri
