#include "kubelet/client/events.h"

#include "client/event_correlator.h"
#include "client/loop.h"
#include "k8s/core/v1/event.pb.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/time.h"

namespace kubelet::client {
namespace {

using namespace std::chrono_literals;
namespace core = api::core;
using Type = EventRecorder::Type;

EventTarget Pod(const std::string& name = "web") {
  EventTarget target;
  target.kind = "Pod";
  target.namespace_ = "ns";
  target.name = name;
  target.uid = "uid-" + name;
  return target;
}

struct Fixture : test::ApiLoop {
  base::Registry metrics;
  double random = 0.5;
  EventRecorder recorder{{io.get_executor(), clock, &api, &metrics, [this] { return random; }},
                         {.host = "n1"}};
  explicit Fixture(bool start = true) {
    if (start) recorder.Start();
  }
  void Say(const std::string& message, const std::string& name = "web",
           const std::string& reason = "Pulling") {
    recorder.Event(Pod(name), Type::kNormal, reason, message);
  }
  std::vector<std::shared_ptr<const core::Event>> Stored() {
    std::vector<std::shared_ptr<const core::Event>> out;
    for (auto& object : api.All(kEvents)) {
      out.push_back(std::static_pointer_cast<const core::Event>(object));
    }
    return out;
  }
  std::vector<std::string> Messages() {
    std::vector<std::string> out;
    for (auto& event : Stored()) out.push_back(event->message());
    return out;
  }
};

TEST_CASE("an event as the API server gets it") {
  Fixture f;
  auto target = Pod();
  target.field_path = "spec.containers{c}";
  target.resource_version = "77";
  f.recorder.Event(target, Type::kWarning, "BackOff", "Back-off restarting \"c\"");
  CHECK(f.api.log.empty());  // nothing happens inside the call
  f.Run();
  auto events = f.Stored();
  REQUIRE(events.size() == 1);
  const auto& event = *events[0];
  CHECK(event.metadata().name() ==
        "web." + std::string("17979cfe362a0000"));  // 1700000000 s in hex nanoseconds
  CHECK(event.metadata().namespace_() == "ns");
  CHECK(event.involved_object().kind() == "Pod");
  CHECK(event.involved_object().uid() == "uid-web");
  CHECK(event.involved_object().api_version() == "v1");
  CHECK(event.involved_object().field_path() == "spec.containers{c}");
  CHECK(event.involved_object().resource_version() == "77");
  CHECK(event.type() == "Warning");
  CHECK(event.reason() == "BackOff");
  CHECK(event.message() == "Back-off restarting \"c\"");
  CHECK(event.count() == 1);
  CHECK(event.source().component() == "kubelet");
  CHECK(event.source().host() == "n1");
  CHECK(event.reporting_component() == "kubelet");
  CHECK(event.reporting_instance() == "n1");
  CHECK(api::ToWallTime(event.first_timestamp()) == f.clock.Now());
  CHECK(f.api.log[0].call.lane == Lane::kEvents);

  f.recorder.Event(NodeTarget("n1"), Type::kNormal, "Starting", "Starting kubelet.");
  f.Run();
  CHECK(f.api.Count("CREATE", "/namespaces/default/events") == 1);
  CHECK(f.Stored()[0]->involved_object().namespace_().empty());
}

TEST_CASE("names are names, also of odd objects and at one moment") {
  auto time = base::WallFromUnixNanos(0x123abc);
  CHECK(EventName("web", time) == "web.123abc");
  CHECK(EventName("Node_1", time) == "event.123abc");
  CHECK(EventName(std::string(250, 'a'), time) == "event.123abc");
  Fixture f;
  f.Say("a");
  f.Say("b");
  f.Run();
  CHECK(f.Stored().size() == 2);
}

TEST_CASE("the same event once more has a count") {
  Fixture f;
  auto begin = f.clock.Now();
  std::string message = "pulling \"x\"\n<é>";
  f.Say(message);
  f.Run();
  f.Advance(10s);
  f.Say(message);
  f.Say(message);
  f.Run();
  auto events = f.Stored();
  REQUIRE(events.size() == 1);
  CHECK(events[0]->count() == 3);
  CHECK(events[0]->message() == message);
  CHECK(api::ToWallTime(events[0]->first_timestamp()) == begin);
  CHECK(api::ToWallTime(events[0]->last_timestamp()) == begin + 10s);
  CHECK(f.api.Count("CREATE", "") == 1);
  CHECK(f.api.Count("PATCH", "") == 2);
  // Another pod, reason or container is another event.
  f.Say(message, "other");
  f.Say(message, "web", "Pulled");
  f.Run();
  CHECK(f.Stored().size() == 3);
  // The server forgets events after an hour.
  REQUIRE(f.api.Remove({kEvents, "ns", events[0]->metadata().name()}).ok());
  f.Say(message);
  f.Run();
  auto again = f.api.Find<core::Event>({kEvents, "ns", events[0]->metadata().name()});
  REQUIRE(again);
  CHECK(again->count() == 4);
}

TEST_CASE("from the tenth similar message on there is one event for all") {
  Fixture f;
  for (int i = 1; i <= 12; ++i) f.Say("message " + std::to_string(i));
  f.Run();
  auto messages = f.Messages();
  REQUIRE(messages.size() == 10);
  std::sort(messages.begin(), messages.end());
  CHECK(messages[0] == "(combined from similar events): message 12");
  CHECK(f.api.Count("PATCH", "") == 2);
  // Ten minutes of silence, and they are single again.
  f.Advance(601s);
  f.Say("message 13");
  f.Run();
  CHECK(f.Messages().size() == 11);
}

TEST_CASE("an object that says too much is not heard but every five minutes") {
  Fixture f;
  for (int i = 0; i < 60; ++i) f.Say("again");
  f.Run();
  CHECK(f.api.log.size() == 25);
  f.Say("x", "other");
  f.recorder.Event(Pod(), Type::kWarning, "Failed", "x");
  f.Run();
  CHECK(f.api.log.size() == 27);
  f.Advance(299s);
  f.Say("again");
  f.Run();
  CHECK(f.api.log.size() == 27);
  f.Advance(2s);
  f.Say("again");
  f.Say("again");
  f.Run();
  CHECK(f.api.log.size() == 28);
  CHECK(f.Stored()[1]->count() == 62);  // those kept back are counted
}

TEST_CASE("while the server is away events wait, in order; none is sent twice") {
  Fixture f;
  f.api.Down();
  f.Say("1");
  f.Say("2");
  f.Run();
  f.Say("3");
  f.Advance(4s);
  CHECK(f.api.log.size() == 1);
  f.Advance(1s);
  CHECK(f.api.log.size() == 2);
  f.Advance(20s);
  CHECK(f.api.log.size() == 4);
  CHECK(f.recorder.queued() == 3);
  f.api.Up();
  f.api.LoseAnswer("CREATE", "", absl::UnavailableError("connection reset"));
  f.Advance(30s);
  CHECK(f.recorder.queued() == 0);
  CHECK(f.recorder.dropped() == 0);
  std::vector<std::string> sent;
  for (auto& entry : f.api.log) {
    const auto& event = static_cast<const core::Event&>(*entry.call.body);
    if (sent.empty() || sent.back() != event.message()) sent.push_back(event.message());
  }
  CHECK(sent == std::vector<std::string>{"1", "2", "3"});
  CHECK(f.Stored().size() == 3);
}

TEST_CASE("an event is given up after twelve tries, and one that is refused at once") {
  Fixture f;
  f.api.Fail("CREATE", "", absl::UnavailableError("connection refused"), 12);
  f.Say("1");
  f.Say("2");
  f.Advance(5s + 100s + 1s);
  CHECK(f.api.log.size() == 13);
  CHECK(f.Messages() == std::vector<std::string>{"2"});
  CHECK(f.recorder.dropped() == 1);
  f.api.Fail("CREATE", "", ToStatus({403, "Forbidden", "", {}}));
  f.Say("3");
  f.Say("4");
  f.Run();
  CHECK(f.Messages() == std::vector<std::string>{"2", "4"});
  CHECK(f.recorder.dropped() == 2);
  f.api.Fail("CREATE", "", ToStatus({503, "ServiceUnavailable", "", {}}));
  f.Say("5");
  f.Advance(5s);
  CHECK(f.Messages().size() == 3);
  CHECK(f.metrics.Render().find("kubelet_events_dropped_total 2") != std::string::npos);
}

TEST_CASE("a full queue drops its oldest") {
  Fixture f(false);
  for (int i = 0; i < 1005; ++i) f.Say("m", "pod-" + std::to_string(i));
  CHECK(f.recorder.queued() == 1000);
  CHECK(f.recorder.dropped() == 5);
  f.recorder.Start();
  f.Run();
  CHECK(f.api.Count("CREATE", "") == 1000);
  CHECK_FALSE(f.Stored().empty());
  for (auto& event : f.Stored()) CHECK(event->involved_object().name() != "pod-4");
}

TEST_CASE("the last events have a chance before the end") {
  Fixture f;
  f.Say("bye");
  f.AwaitDone(f.recorder.Drain(5s));
  CHECK(f.Messages() == std::vector<std::string>{"bye"});
  f.api.Hold("", "");
  f.Say("late");
  auto done = std::make_shared<bool>(false);
  base::TaskScope scope(f.io.get_executor());
  scope.Spawn("drain", Fixture::Mark(f.recorder.Drain(5s), done));
  f.Advance(4s);
  CHECK_FALSE(*done);
  f.Advance(1s);
  CHECK(*done);
  f.AwaitDone(f.recorder.Stop());
}

TEST_CASE("without an API server events are only logged") {
  test::ApiLoop f;
  EventRecorder recorder({f.io.get_executor(), f.clock}, {.host = "n1"});
  recorder.Start();
  recorder.Event(Pod(), Type::kNormal, "Started", "Started container c");
  f.Run();
  CHECK(recorder.queued() == 0);
}

TEST_CASE("the correlator remembers the keys used last") {
  LeastRecentlyUsed<int> keys(3);
  for (uint64_t key : {1, 2, 3}) keys[key] = static_cast<int>(key);
  CHECK(keys[1] == 1);
  keys[4] = 4;
  CHECK(keys.size() == 3);
  CHECK(keys[2] == 0);  // 2 was the one not used
  CHECK(keys[1] == 1);
}

}  // namespace
}  // namespace kubelet::client
