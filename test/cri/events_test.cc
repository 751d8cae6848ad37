#include <boost/asio/post.hpp>

#include "catch.h"
#include "cri/event_stream.h"
#include "cri/harness.h"

namespace kubelet::cri {
namespace {

runtime::RuntimeEvent Event(const std::string& uid, const std::string& container) {
  runtime::RuntimeEvent event;
  event.pod_uid = uid;
  event.container_id = container;
  return event;
}

TEST_CASE("waiting events are one per pod, the latest, in order of their first") {
  PendingEvents pending(3);
  pending.Add(Event("a", "1"));
  pending.Add(Event("b", "2"));
  pending.Add(Event("a", "3"));
  CHECK_FALSE(pending.Full());
  pending.Add(Event("", "4"));
  CHECK(pending.Full());
  auto events = pending.Take();
  REQUIRE(events.size() == 3);
  CHECK(events[0].pod_uid == "a");
  CHECK(events[0].container_id == "3");
  CHECK(events[1].container_id == "2");
  CHECK(events[2].container_id == "4");
  CHECK(pending.Empty());
  CHECK(pending.Take().empty());
}

struct Watch {
  explicit Watch(Client& c)
      : client(c), scope(std::make_unique<base::TaskScope>(c.loop.io.get_executor())) {}
  ~Watch() { client.loop.StopScope(*scope); }
  void Start() {
    auto on_open = [this] { ++opened; };
    auto on_event = [this](const runtime::RuntimeEvent& event) { events.push_back(event); };
    ended.reset();
    scope->Spawn("watch", StoreResult(client.runtime->StreamEvents(on_open, on_event), ended));
  }
  bool Run(const std::function<bool()>& done) { return client.loop.RunUntil(done); }

  Client& client;
  int opened = 0;
  std::vector<runtime::RuntimeEvent> events;
  std::optional<absl::Status> ended;
  std::unique_ptr<base::TaskScope> scope;
};

TEST_CASE("a quiet stream counts as open after 200 ms of the clock") {
  Fake fake;
  Watch watch(*fake.client);
  watch.Start();
  REQUIRE(watch.Run([&] { return fake.server->EventStreams() == 1; }));
  fake.client->loop.Advance(199ms);
  CHECK(watch.opened == 0);
  fake.client->loop.Advance(1ms);
  CHECK(watch.opened == 1);
  fake.client->loop.Advance(10s);
  CHECK(watch.opened == 1);
}

TEST_CASE("the first event opens the stream, and names its pod") {
  Fake fake;
  Watch watch(*fake.client);
  watch.Start();
  REQUIRE(watch.Run([&] { return fake.server->EventStreams() == 1; }));
  REQUIRE(fake.client->Await(fake.client->runtime->RunPodSandbox(PodNamed("web", "u1"))).ok());
  REQUIRE(watch.Run([&] { return !watch.events.empty(); }));
  CHECK(watch.opened == 1);
  CHECK(watch.events[0].pod_uid == "u1");
  CHECK(watch.events[0].pod_name == "web");
  CHECK(watch.events[0].pod_namespace == "default");
}

TEST_CASE("a runtime without events says Unimplemented and never opens") {
  Fake fake(30s, false);
  Watch watch(*fake.client);
  watch.Start();
  REQUIRE(watch.Run([&] { return watch.ended.has_value(); }));
  CHECK(absl::IsUnimplemented(*watch.ended));
  fake.client->loop.Advance(10s);
  CHECK(watch.opened == 0);
  CHECK(absl::IsUnimplemented(fake.client->Await(fake.client->runtime->RuntimeConfig()).status()));
}

TEST_CASE("a stream to a runtime that is not there is Unavailable and never opens") {
  TempDir dir;
  Client client(EndpointOptions(dir / "none.sock"));
  Watch watch(client);
  watch.Start();
  REQUIRE(watch.Run([&] { return watch.ended.has_value(); }));
  CHECK(absl::IsUnavailable(*watch.ended));
  client.loop.Advance(10s);
  CHECK(watch.opened == 0);
}

TEST_CASE("a broken stream ends with the runtime's code and can be opened again") {
  Fake fake;
  Watch watch(*fake.client);
  watch.Start();
  REQUIRE(watch.Run([&] { return fake.server->EventStreams() == 1; }));
  fake.server->SendEvent("a", "1");
  fake.server->BreakEventStreams(fakes::kFakeResourceExhausted);
  REQUIRE(watch.Run([&] { return watch.ended.has_value(); }));
  CHECK(absl::IsResourceExhausted(*watch.ended));

  REQUIRE(watch.Run([&] { return fake.server->EventStreams() == 0; }));
  watch.Start();
  size_t before = watch.events.size();
  REQUIRE(watch.Run([&] { return fake.server->EventStreams() == 1; }));
  fake.server->SendEvent("b", "2");
  REQUIRE(watch.Run([&] { return watch.events.size() == before + 1; }));
  CHECK(watch.events.back().pod_uid == "b");
}

TEST_CASE("a restarted runtime ends the stream") {
  Fake fake;
  Watch watch(*fake.client);
  watch.Start();
  REQUIRE(watch.Run([&] { return fake.server->EventStreams() == 1; }));
  fake.server->Stop();
  REQUIRE(watch.Run([&] { return watch.ended.has_value(); }));
  CHECK_FALSE(watch.ended->ok());
}

TEST_CASE("cancelling the task ends the stream on both sides, and no handler is called after") {
  Fake fake;
  Watch watch(*fake.client);
  watch.Start();
  REQUIRE(watch.Run([&] { return fake.server->EventStreams() == 1; }));
  // On the loop, as the kubelet does; the event may have been read by then, but not delivered.
  boost::asio::post(fake.client->loop.io, [&] {
    fake.server->SendEvent("late", "c");
    watch.scope = std::make_unique<base::TaskScope>(fake.client->loop.io.get_executor());
  });
  REQUIRE(watch.Run([&] { return watch.ended.has_value(); }));
  CHECK(absl::IsCancelled(*watch.ended));
  CHECK(watch.Run([&] { return fake.server->EventStreams() == 0; }));
  fake.client->loop.Advance(10s);
  CHECK(watch.opened == 0);
  CHECK(watch.events.empty());
  CHECK(fake.client->connection->in_flight() == 0);
}

TEST_CASE("more pods than the table holds are delayed, not lost") {
  Fake fake;
  Watch watch(*fake.client);
  watch.Start();
  REQUIRE(watch.Run([&] { return fake.server->EventStreams() == 1; }));
  // While the core loop is busy the gRPC side may take in kMaxPendingPods pods and no more.
  const size_t pods = 3 * GrpcContainerRuntime::kMaxPendingPods;
  for (size_t i = 0; i < pods; ++i) fake.server->SendEvent("pod" + std::to_string(i), "c");
  REQUIRE(watch.Run([&] { return watch.events.size() >= pods; }));
  CHECK(watch.events.size() == pods);
  for (size_t i = 0; i < pods; ++i) REQUIRE(watch.events[i].pod_uid == "pod" + std::to_string(i));
}

TEST_CASE("many events of one pod arrive as few, the last among them") {
  Fake fake;
  Watch watch(*fake.client);
  watch.Start();
  REQUIRE(watch.Run([&] { return fake.server->EventStreams() == 1; }));
  for (int i = 0; i < 500; ++i) fake.server->SendEvent("pod", "c" + std::to_string(i));
  REQUIRE(watch.Run(
      [&] { return !watch.events.empty() && watch.events.back().container_id == "c499"; }));
  CHECK(watch.events.size() <= 500);
}

TEST_CASE("destroying the connection while its stream is full does not hang") {
  Fake fake;
  Watch watch(*fake.client);
  watch.Start();
  REQUIRE(watch.Run([&] { return fake.server->EventStreams() == 1; }));
  for (size_t i = 0; i < 2 * GrpcContainerRuntime::kMaxPendingPods; ++i) {
    fake.server->SendEvent("pod" + std::to_string(i), "c");
  }
  fake.client->connection.reset();  // the loop is not polled: nobody drains
  REQUIRE(watch.Run([&] { return watch.ended.has_value(); }));
  CHECK(absl::IsCancelled(*watch.ended));
}

TEST_CASE("events that are lost, doubled, late or out of order are the fake's to give") {
  Fake fake;
  Watch watch(*fake.client);
  watch.Start();
  REQUIRE(watch.Run([&] { return fake.server->EventStreams() == 1; }));
  fakes::EventPolicy policy;
  policy.drop_next = 1;
  policy.reorder = 2;
  fake.server->SetEventPolicy(policy);
  fake.server->SendEvent("lost", "c");
  fake.server->SendEvent("first", "c");
  fake.server->SendEvent("second", "c");
  REQUIRE(watch.Run([&] { return watch.events.size() == 2; }));
  CHECK(watch.events[0].pod_uid == "second");
  CHECK(watch.events[1].pod_uid == "first");
}

}  // namespace
}  // namespace kubelet::cri
