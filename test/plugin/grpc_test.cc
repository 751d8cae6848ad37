// Our gRPC over unix sockets, against gRPC's own client and server.
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <stdlib.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <thread>

#include "await.h"
#include "catch.h"
#include "fakes/device_plugin.h"
#include "kubelet/base/clock.h"
#include "kubelet/base/grpc_wire.h"
#include "kubelet/plugin/podresources_v1.grpc.pb.h"
#include "plugin/grpc_client.h"
#include "plugin/grpc_server.h"
#include "plugin/grpc_wire.h"

using namespace kubelet;
using namespace kubelet::plugin;
using std::chrono::seconds;

namespace {

struct TempDir {
  TempDir() {
    char name[] = "/tmp/plugin-test-XXXXXX";
    path = mkdtemp(name);
  }
  ~TempDir() { std::filesystem::remove_all(path); }
  std::string path;
};

base::Task<absl::StatusOr<std::string>> Echo(std::string request) {
  ::v1::GetPodResourcesRequest asked;
  asked.ParseFromString(request);
  if (asked.pod_name() == "missing")
    co_return absl::NotFoundError("pod \"missing\" not found: 100 % sure\n");
  ::v1::GetPodResourcesResponse answer;
  answer.mutable_pod_resources()->set_name(asked.pod_name());
  answer.mutable_pod_resources()->set_namespace_(std::string(300'000, 'x'));
  co_return answer.SerializeAsString();
}

// The server on a loop of its own, since gRPC's client blocks.
struct ServerThread {
  explicit ServerThread(const std::string& path)
      : work(boost::asio::make_work_guard(io)),
        server(std::make_unique<GrpcServer>(
            io.get_executor(), path, GrpcServer::Methods{{"/v1.PodResourcesLister/Get", Echo}})) {
    REQUIRE(server->Start().ok());
    thread = std::thread([this] { io.run(); });
  }
  ~ServerThread() {
    boost::asio::post(io, [this] {
      server.reset();
      work.reset();
    });
    thread.join();
  }
  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
  std::unique_ptr<GrpcServer> server;
  std::thread thread;
};

}  // namespace

TEST_CASE("gRPC's client gets answers, errors and large messages from our server") {
  TempDir dir;
  const std::string path = dir.path + "/s.sock";
  ServerThread server(path);
  auto channel = grpc::CreateChannel("unix://" + path, grpc::InsecureChannelCredentials());
  auto stub = ::v1::PodResourcesLister::NewStub(channel);
  for (int i = 0; i < 3; ++i) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(60));
    ::v1::GetPodResourcesRequest request;
    request.set_pod_name("pod-" + std::to_string(i));
    request.set_pod_namespace(std::string(200'000, 'n'));
    ::v1::GetPodResourcesResponse answer;
    auto status = stub->Get(&context, request, &answer);
    INFO(status.error_message());
    REQUIRE(status.ok());
    CHECK(answer.pod_resources().name() == "pod-" + std::to_string(i));
    CHECK(answer.pod_resources().namespace_().size() == 300'000);
  }
  {
    grpc::ClientContext context;
    ::v1::GetPodResourcesRequest request;
    request.set_pod_name("missing");
    ::v1::GetPodResourcesResponse answer;
    auto status = stub->Get(&context, request, &answer);
    CHECK(status.error_code() == grpc::StatusCode::NOT_FOUND);
    CHECK(status.error_message() == "pod \"missing\" not found: 100 % sure\n");
  }
  {
    grpc::ClientContext context;
    ::v1::ListPodResourcesResponse answer;
    auto status = stub->List(&context, ::v1::ListPodResourcesRequest(), &answer);
    CHECK(status.error_code() == grpc::StatusCode::UNIMPLEMENTED);
    CHECK(status.error_message() == "unknown method List for service v1.PodResourcesLister");
  }
}

TEST_CASE("a request longer than a message may be is refused and the connection goes on") {
  TempDir dir;
  const std::string path = dir.path + "/s.sock";
  ServerThread server(path);
  auto channel = grpc::CreateChannel("unix://" + path, grpc::InsecureChannelCredentials());
  auto stub = ::v1::PodResourcesLister::NewStub(channel);
  for (bool large : {true, false}) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(60));
    ::v1::GetPodResourcesRequest request;
    request.set_pod_name(std::string(large ? kMaxMessage + 1 : 1, 'p'));
    ::v1::GetPodResourcesResponse answer;
    auto status = stub->Get(&context, request, &answer);
    INFO(status.error_message());
    CHECK(status.error_code() ==
          (large ? grpc::StatusCode::RESOURCE_EXHAUSTED : grpc::StatusCode::OK));
  }
}

TEST_CASE("the socket of a server that ended is replaced, and removed with its server") {
  TempDir dir;
  const std::string path = dir.path + "/s.sock";
  boost::asio::io_context io;
  GrpcServer first(io.get_executor(), path, {}), second(io.get_executor(), path, {});
  REQUIRE(first.Start().ok());
  REQUIRE(second.Start().ok());
  second.Stop();
  CHECK(!std::filesystem::exists(path));
  GrpcServer long_path(io.get_executor(), dir.path + "/" + std::string(100, 'x'), {});
  CHECK(absl::IsInvalidArgument(long_path.Start()));
  GrpcServer nowhere(io.get_executor(), dir.path + "/none/s.sock", {});
  CHECK(absl::IsNotFound(nowhere.Start()));
}

TEST_CASE("our client calls gRPC's server: answers, errors, streams") {
  TempDir dir;
  test::FakeDevicePlugin plugin({.socket = dir.path + "/p.sock", .devices = {"a", "b"}});
  plugin.Start();
  boost::asio::io_context io;
  base::RealClock clock(io);
  auto client = test::Await(
      io, GrpcClient::Connect(io.get_executor(), clock, dir.path + "/p.sock", seconds(10)));
  REQUIRE(client.ok());
  v1beta1::AllocateRequest request;
  request.add_container_requests()->add_devices_ids("a");
  auto call = [&](const std::string& method, base::Nanos timeout) {
    return test::Await(io, (*client)->Call("/v1beta1.DevicePlugin/" + method,
                                           request.SerializeAsString(), timeout));
  };
  auto bytes = call("Allocate", seconds(60));
  REQUIRE(bytes.ok());
  v1beta1::AllocateResponse answer;
  REQUIRE(answer.ParseFromString(*bytes));
  CHECK(answer.container_responses(0).envs().at("THING") == "a");

  plugin.Fail("Allocate", "no such device: 5 %");
  auto failed = call("Allocate", seconds(60)).status();
  CHECK(RpcErrorText(failed) == "rpc error: code = Unknown desc = no such device: 5 %");
  CHECK(absl::IsUnimplemented(call("NoSuchMethod", seconds(60)).status()));

  plugin.Hang("PreStartContainer");
  CHECK(
      absl::IsDeadlineExceeded(call("PreStartContainer", std::chrono::milliseconds(50)).status()));
  plugin.LetGo();

  std::vector<std::string> seen;
  std::function<void(std::string)> take = [&](std::string message) {
    v1beta1::ListAndWatchResponse list;
    list.ParseFromString(message);
    std::string text;
    for (const auto& device : list.devices()) text += device.id() + "=" + device.health() + " ";
    seen.push_back(text);
    if (seen.size() == 1) plugin.SetHealth("b", "Unhealthy");
    if (seen.size() == 2) plugin.FailWatch();
  };
  auto end = test::Await(io, (*client)->Stream("/v1beta1.DevicePlugin/ListAndWatch", "", take));
  CHECK(end == absl::InternalError("the watch has failed"));
  CHECK(seen == std::vector<std::string>{"a=Healthy b=Healthy ", "a=Healthy b=Unhealthy "});

  // A server that goes ends what is under way.
  plugin.Hang("Allocate");
  std::thread stop([&] {
    while (plugin.Calls().size() < 3) std::this_thread::yield();
    plugin.Stop();
  });
  auto lost = call("Allocate", seconds(60)).status();
  stop.join();
  CHECK(!lost.ok());
  CHECK(!absl::IsDeadlineExceeded(lost));
}

TEST_CASE("a plugin that listens a moment after it registered is waited for, not for ever") {
  TempDir dir;
  boost::asio::io_context io;
  base::ManualClock clock;
  std::optional<absl::StatusOr<std::unique_ptr<GrpcClient>>> client;
  base::TaskScope scope(io.get_executor());
  const std::string path = dir.path + "/p.sock";
  auto connect = [&] {
    client.reset();
    scope.Spawn("connect",
                test::StoreResult(GrpcClient::Connect(io.get_executor(), clock, path, seconds(10)),
                                  client));
    io.poll();
  };
  auto idle = [&] {
    io.restart();
    io.poll();
  };
  connect();
  clock.Advance(seconds(5), idle);
  CHECK(!client);
  GrpcServer late(io.get_executor(), path, {});
  REQUIRE(late.Start().ok());
  clock.Advance(seconds(2), idle);
  REQUIRE(client);
  CHECK(client->ok());
  late.Stop();
  idle();
  connect();
  clock.Advance(seconds(12), idle);
  REQUIRE(client);
  CHECK(absl::IsUnavailable(client->status()));
}

TEST_CASE("frames are cut wherever the bytes are") {
  Deframer in;
  std::string bytes =
      base::GrpcFramed("one") + base::GrpcFramed("") + base::GrpcFramed(std::string(70'000, 'z'));
  std::vector<size_t> sizes;
  for (char c : bytes) {
    in.Add({&c, 1});
    std::string message;
    auto whole = in.Next(message);
    REQUIRE(whole.ok());
    if (*whole) sizes.push_back(message.size());
  }
  CHECK(sizes == std::vector<size_t>{3, 0, 70'000});
  CHECK(in.empty());
  in.Add(std::string_view("\1\0\0\0\0", 5));
  std::string message;
  CHECK(absl::IsUnimplemented(in.Next(message).status()));
  Deframer huge;
  huge.Add(std::string_view("\0\xff\xff\xff\xff", 5));
  CHECK(absl::IsResourceExhausted(huge.Next(message).status()));
}

TEST_CASE("an answer without a grpc-status goes by its HTTP status") {
  CHECK(absl::IsUnavailable(StatusOfAnswer(503, -1, "")));
  CHECK(absl::IsUnknown(StatusOfAnswer(200, -1, "")));
  CHECK(StatusOfAnswer(200, 0, "").ok());
  CHECK(absl::IsUnknown(StatusOfAnswer(200, 99, "odd")));
  CHECK(base::GrpcPercentDecoded(base::GrpcPercentEncoded("a%b\n\xc3\xa9")) == "a%b\n\xc3\xa9");
  CHECK(base::GrpcPercentDecoded("%zz%4") == "%zz%4");
}
