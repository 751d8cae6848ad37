#include "status/merge.h"

#include "catch.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/patch.h"
#include "status/patch.h"

namespace kubelet::status {
namespace {

using api::core::PodStatus;

const base::WallTime kNow = base::WallFromUnixNanos(1'700'000'000'000'000'000);

PodStatus Parse(const std::string& json) {
  PodStatus status;
  auto decoded = api::DecodeJson(json, status);
  INFO(decoded.ToString());
  REQUIRE(decoded.ok());
  return status;
}

std::string ConditionsOf(const PodStatus& status) {
  std::string out;
  for (const auto& c : status.conditions()) {
    out += (out.empty() ? "" : " ") + c.type() + "=" + c.status() + "@" +
           std::to_string(c.last_transition_time().seconds() - 1'700'000'000);
  }
  return out;
}

TEST_CASE("conditions of others stay, ours are replaced, and gone ones of ours go") {
  auto server = Parse(R"({"phase":"Running","conditions":[
    {"type":"example.com/gate","status":"True"},
    {"type":"PodResizePending","status":"True"},
    {"type":"Ready","status":"True"}]})");
  auto wanted = Parse(R"({"phase":"Running","conditions":[
    {"type":"example.com/gate","status":"False"},
    {"type":"example.com/other","status":"True"},
    {"type":"Ready","status":"False"}]})");
  auto merged = Merge(server, wanted, {false, kNow});
  CHECK(merged.conditions_size() == 2);
  CHECK(merged.conditions(0).type() == "example.com/gate");
  CHECK(merged.conditions(0).status() == "True");
  CHECK(merged.conditions(1).type() == "Ready");
  CHECK(merged.conditions(1).status() == "False");
}

TEST_CASE("phase by what the server has, what is wanted, and whether containers may run") {
  struct Row {
    const char *server, *wanted;
    bool allowed;
    const char* written;
  };
  auto row = GENERATE(
      Row{"Pending", "Running", false, "Running"}, Row{"Running", "Succeeded", false, "Running"},
      Row{"Running", "Failed", false, "Running"}, Row{"Running", "Succeeded", true, "Succeeded"},
      Row{"Running", "Failed", true, "Failed"}, Row{"", "Failed", false, ""},
      Row{"Failed", "Running", false, "Failed"}, Row{"Failed", "Running", true, "Failed"},
      Row{"Failed", "Succeeded", true, "Failed"}, Row{"Succeeded", "Failed", false, "Succeeded"},
      Row{"Succeeded", "Pending", true, "Succeeded"});
  INFO(row.server << " " << row.wanted << " " << row.allowed);
  PodStatus server, wanted;
  server.set_phase(row.server);
  server.set_reason("Theirs");
  wanted.set_phase(row.wanted);
  wanted.set_reason("Ours");
  wanted.set_message("said by us");
  auto merged = Merge(server, wanted, {row.allowed, kNow});
  CHECK(merged.phase() == row.written);
  bool ours = std::string(row.written) == row.wanted;
  CHECK(merged.reason() == (ours ? "Ours" : "Theirs"));
  CHECK(merged.message() == (ours ? "said by us" : ""));
}

TEST_CASE("the reason of a terminal phase that others wrote is not cleared") {
  auto server = Parse(R"({"phase":"Failed","reason":"NodeLost","message":"gone"})");
  auto wanted = Parse(R"({"phase":"Failed"})");
  auto merged = Merge(server, wanted, {true, kNow});
  CHECK(merged.reason() == "NodeLost");
  CHECK(merged.message() == "gone");
}

TEST_CASE("DisruptionTarget is written with the terminal phase and at no other time") {
  struct Row {
    const char *server, *wanted;
    bool allowed, written;
  };
  auto row = GENERATE(Row{"Running", "Failed", false, false}, Row{"Running", "Failed", true, true},
                      Row{"Running", "Running", true, false}, Row{"Failed", "Failed", true, false});
  INFO(row.server << " " << row.wanted << " " << row.allowed);
  PodStatus server;
  server.set_phase(row.server);
  auto wanted =
      Parse(R"({"conditions":[{"type":"DisruptionTarget","status":"True","reason":"x"}]})");
  wanted.set_phase(row.wanted);
  auto merged = Merge(server, wanted, {row.allowed, kNow});
  CHECK(ConditionsOf(merged) == (row.written ? "DisruptionTarget=True@0" : ""));
}

TEST_CASE("DisruptionTarget of others is kept, and ours takes its place at the end") {
  auto server = Parse(R"({"phase":"Running","conditions":[
    {"type":"DisruptionTarget","status":"True","reason":"EvictionByEvictionAPI"}]})");
  auto wanted = Parse(R"({"phase":"Failed","conditions":[
    {"type":"DisruptionTarget","status":"True","reason":"TerminationByKubelet"}]})");
  auto before = Merge(server, wanted, {false, kNow});
  REQUIRE(before.conditions_size() == 1);
  CHECK(before.conditions(0).reason() == "EvictionByEvictionAPI");
  auto after = Merge(server, wanted, {true, kNow});
  REQUIRE(after.conditions_size() == 1);
  CHECK(after.conditions(0).reason() == "TerminationByKubelet");
}

TEST_CASE("a pod that has ended is not ready") {
  struct Row {
    const char *phase, *reason;
  };
  auto row = GENERATE(Row{"Succeeded", "PodCompleted"}, Row{"Failed", "PodFailed"});
  auto server = Parse(R"({"phase":"Running","conditions":[{"type":"Ready","status":"True"}]})");
  auto wanted = Parse(R"({"conditions":[{"type":"Ready","status":"True"},
    {"type":"ContainersReady","status":"True"},{"type":"Initialized","status":"True"}]})");
  wanted.set_phase(row.phase);
  auto merged = Merge(server, wanted, {true, kNow});
  CHECK(ConditionsOf(merged) ==
        "Ready=False@0 ContainersReady=False@0 Initialized=True@-1700000000");
  CHECK(merged.conditions(0).reason() == row.reason);
}

TEST_CASE("counts, generations and start times do not go back; fields of others stay") {
  auto server =
      Parse(R"({"phase":"Running","observedGeneration":7,"startTime":"2023-11-14T00:00:00Z",
    "nominatedNodeName":"n2","resourceClaimStatuses":[{"name":"r","resourceClaimName":"c"}],
    "containerStatuses":[{"name":"a","restartCount":5},{"name":"b","restartCount":1}],
    "initContainerStatuses":[{"name":"i","restartCount":2}]})");
  auto wanted =
      Parse(R"({"phase":"Running","observedGeneration":6,"startTime":"2023-11-15T00:00:00Z",
    "containerStatuses":[{"name":"a","restartCount":4},{"name":"b","restartCount":2},{"name":"c"}],
    "initContainerStatuses":[{"name":"i","restartCount":0}]})");
  auto merged = Merge(server, wanted, {false, kNow});
  CHECK(merged.observed_generation() == 7);
  CHECK(merged.start_time().seconds() == server.start_time().seconds());
  CHECK(merged.nominated_node_name() == "n2");
  REQUIRE(merged.resource_claim_statuses_size() == 1);
  CHECK(merged.container_statuses(0).restart_count() == 5);
  CHECK(merged.container_statuses(1).restart_count() == 2);
  CHECK(merged.container_statuses(2).restart_count() == 0);
  CHECK(merged.init_container_statuses(0).restart_count() == 2);
  CHECK(Follow(server, wanted));
  CHECK(wanted.container_statuses(0).restart_count() == 5);
  CHECK(wanted.init_container_statuses(0).restart_count() == 2);
}

TEST_CASE("times of conditions move only with their status") {
  auto before = Parse(R"({"startTime":"2023-11-14T22:13:10Z","conditions":[
    {"type":"Ready","status":"True","lastTransitionTime":"2023-11-14T22:13:25Z"},
    {"type":"Initialized","status":"False","lastTransitionTime":"2023-11-14T22:13:26Z"},
    {"type":"x","status":"True","lastTransitionTime":"2023-11-14T22:13:27Z"}]})");
  auto next = Parse(R"({"startTime":"2023-11-14T22:13:50Z","conditions":[
    {"type":"Ready","status":"True","lastTransitionTime":"2023-11-14T22:13:50Z"},
    {"type":"Initialized","status":"True","lastTransitionTime":"2023-11-14T22:13:50Z"},
    {"type":"x","status":"True","lastTransitionTime":"2023-11-14T22:13:50Z"}]})");
  CHECK(Follow(before, next));
  CHECK(ConditionsOf(next) == "Ready=True@5 Initialized=True@30 x=True@30");
  CHECK(next.start_time().seconds() == before.start_time().seconds());
  CHECK_FALSE(Follow(before, next));
}

TEST_CASE("statuses are brought into the form the server keeps them in") {
  api::core::Pod pod;
  for (const char* name : {"second", "first"})
    pod.mutable_spec()->add_init_containers()->set_name(name);
  pod.mutable_spec()->add_containers()->set_name("c");
  auto status = Parse(R"({"containerStatuses":[{"name":"z"},{"name":"c"}],
    "initContainerStatuses":[{"name":"first"},{"name":"second"}]})");
  status.mutable_start_time()->set_seconds(5);
  status.mutable_start_time()->set_nanos(6);
  auto* condition = status.add_conditions();
  condition->mutable_last_transition_time()->set_nanos(7);
  auto* end = status.mutable_container_statuses(1)->mutable_last_state()->mutable_terminated();
  end->mutable_finished_at()->set_nanos(8);
  // Three containers share 12 KiB; the cut would go through a character of two bytes.
  std::string text = std::string(4095, 'x') + "ä" + std::string(100, 'y');
  end->set_message(text);
  Normalize(pod, status);
  CHECK(status.start_time().nanos() == 0);
  CHECK(status.conditions(0).last_transition_time().nanos() == 0);
  CHECK(status.container_statuses(0).name() == "c");
  CHECK(status.init_container_statuses(0).name() == "second");
  CHECK(status.init_container_statuses(1).name() == "first");
  const auto& after = status.container_statuses(0).last_state().terminated();
  CHECK(after.finished_at().nanos() == 0);
  CHECK(after.message() == std::string(4095, 'x'));
}

TEST_CASE("what reads the same to the API server needs no patch") {
  struct Row {
    const char *from, *to;
  };
  auto row = GENERATE(
      Row{R"({"phase":"Running"})", R"({"phase":"Running","message":""})"},
      Row{R"({"conditions":[{"type":"Ready","status":"True","lastProbeTime":null}]})",
          R"({"conditions":[{"type":"Ready","status":"True"}]})"},
      Row{R"({"containerStatuses":[{"name":"a","resources":{"requests":{"cpu":"1"}}}]})",
          R"({"containerStatuses":[{"name":"a","resources":{"requests":{"cpu":"1000m"}}}]})"},
      Row{R"({"containerStatuses":[{"name":"a","state":{}}]})",
          R"({"containerStatuses":[{"name":"a"}]})"});
  INFO(row.to);
  auto patch = StatusPatch("u", Parse(row.from), Parse(row.to));
  REQUIRE(patch.ok());
  CHECK(*patch == "");
}

TEST_CASE("a patch names the pod it is for and makes one status out of the other") {
  auto from = Parse(R"({"phase":"Pending","podIPs":[{"ip":"10.0.0.1"}],"message":"m","conditions":[
    {"type":"gate","status":"True"},{"type":"Ready","status":"False"}]})");
  auto to = Parse(R"({"phase":"Running","podIPs":[{"ip":"10.0.0.2"}],"conditions":[
    {"type":"gate","status":"True"},{"type":"Ready","status":"True"},{"type":"Initialized","status":"True"}]})");
  auto patch = StatusPatch("the-uid", from, to);
  REQUIRE(patch.ok());
  CHECK(patch->find(R"({"metadata":{"uid":"the-uid"},"status":{)") == 0);
  api::core::Pod pod;
  *pod.mutable_status() = from;
  // Somebody's condition that we have not seen yet.
  auto* theirs = pod.mutable_status()->add_conditions();
  theirs->set_type("unseen");
  theirs->set_status("True");
  auto applied = api::ApplyStrategicMerge(*patch, pod);
  INFO(*patch << " " << applied.ToString());
  REQUIRE(applied.ok());
  CHECK(pod.metadata().uid() == "the-uid");
  CHECK(pod.status().phase() == "Running");
  CHECK(pod.status().message() == "");
  REQUIRE(pod.status().pod_ips_size() == 1);
  CHECK(pod.status().pod_ips(0).ip() == "10.0.0.2");
  CHECK(pod.status().conditions_size() == 4);
}

}  // namespace
}  // namespace kubelet::status
