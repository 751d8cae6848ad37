// Which devices a pod gets, and the file that remembers it.
#include "resource/device_table.h"

#include "catch.h"
#include "kubelet/base/status.h"

namespace kubelet::resource {
namespace {

constexpr char kThing[] = "example.com/thing";

std::vector<Device> Healthy(const std::vector<std::string>& ids) {
  std::vector<Device> out;
  for (const auto& id : ids) out.push_back({id, true, {}});
  return out;
}

struct Spec {
  std::string name;
  int count = 0;
  enum Kind { kApp, kInit, kSidecar } kind = kApp;
};
api::core::Pod MakePod(const std::string& uid, const std::vector<Spec>& specs) {
  api::core::Pod pod;
  pod.mutable_metadata()->set_uid(uid);
  for (const auto& spec : specs) {
    auto* c = spec.kind == Spec::kApp ? pod.mutable_spec()->add_containers()
                                      : pod.mutable_spec()->add_init_containers();
    c->set_name(spec.name);
    if (spec.kind == Spec::kSidecar) c->set_restart_policy("Always");
    if (spec.count > 0)
      (*c->mutable_resources()->mutable_limits())[kThing].set_string(std::to_string(spec.count));
  }
  return pod;
}

// Fulfils every wish; what each container has then.
std::map<std::string, DeviceIds> GiveAll(DeviceTable& table, const api::core::Pod& pod) {
  while (const Wish* wish = table.Next(pod.metadata().uid())) {
    v1beta1::ContainerAllocateResponse answer;
    (*answer.mutable_envs())["FOR"] = wish->container;
    table.Give(pod, answer);
  }
  std::map<std::string, DeviceIds> out;
  for (const auto* list : {&pod.spec().init_containers(), &pod.spec().containers()}) {
    for (const auto& c : *list) {
      const auto* held = table.Of(pod.metadata().uid(), c.name());
      if (held != nullptr) out[c.name()] = held->at(kThing).Ids();
    }
  }
  return out;
}

std::string RefusalOf(DeviceTable& table, const api::core::Pod& pod, bool patient = false) {
  return base::Message(table.Plan(pod, patient));
}

TEST_CASE("pods get devices of their own, in order, until there are none; then upstream's words") {
  DeviceTable table;
  table.SetDevices(kThing, Healthy({"a", "b", "c"}));
  auto one = MakePod("1", {{"x", 1}}), two = MakePod("2", {{"x", 1}, {"y", 1}}),
       three = MakePod("3", {{"x", 1}});
  REQUIRE(table.Plan(one, false).ok());
  REQUIRE(table.Plan(two, false).ok());
  // Reserved, though no plugin was asked yet.
  CHECK(
      RefusalOf(table, three) ==
      "requested number of devices unavailable for example.com/thing. Requested: 1, Available: 0");
  CHECK(table.InUse() == std::map<std::string, int64_t>{{kThing, 3}});
  CHECK(GiveAll(table, two) == std::map<std::string, DeviceIds>{{"x", {"b"}}, {"y", {"c"}}});
  CHECK(GiveAll(table, one) == std::map<std::string, DeviceIds>{{"x", {"a"}}});
  CHECK(table.Release("2"));
  CHECK(!table.Release("2"));
  REQUIRE(table.Plan(three, false).ok());
  CHECK(GiveAll(table, three) == std::map<std::string, DeviceIds>{{"x", {"b"}}});
}

TEST_CASE("a pod that is refused leaves nothing reserved") {
  DeviceTable table;
  table.SetDevices(kThing, Healthy({"a", "b"}));
  CHECK(
      RefusalOf(table, MakePod("1", {{"x", 1}, {"y", 2}})) ==
      "requested number of devices unavailable for example.com/thing. Requested: 2, Available: 1");
  CHECK(table.InUse().empty());
  CHECK(!table.Holds("1"));
}

TEST_CASE("app containers reuse what init containers had; a sidecar keeps its own") {
  DeviceTable table;
  table.SetDevices(kThing, Healthy({"a", "b", "c", "d"}));
  auto pod = MakePod("1", {{"i1", 1, Spec::kInit},
                           {"side", 1, Spec::kSidecar},
                           {"i2", 2, Spec::kInit},
                           {"app", 2},
                           {"more", 1}});
  REQUIRE(table.Plan(pod, false).ok());
  auto held = GiveAll(table, pod);
  CHECK(held["i1"] == DeviceIds{"a"});
  CHECK(held["side"] == DeviceIds{"a"});  // init containers before it have ended
  CHECK(held["i2"] == DeviceIds{"b", "c"});
  CHECK(held["app"] == DeviceIds{"b", "c"});
  CHECK(held["more"] == DeviceIds{"d"});
}

TEST_CASE("what a plugin prefers is taken as far as it is free, and reuse follows it") {
  DeviceTable table;
  table.SetDevices(kThing, Healthy({"a", "b", "c", "d"}));
  auto other = MakePod("0", {{"x", 1}});
  REQUIRE(table.Plan(other, false).ok());  // a
  auto pod = MakePod("1", {{"init", 1, Spec::kInit}, {"app", 2}});
  REQUIRE(table.Plan(pod, false).ok());  // init: b, app: b and c
  auto choice = table.PreferenceFor(pod, *table.Next("1"));
  REQUIRE(choice);
  CHECK(choice->available == DeviceIds{"b", "d"});  // c is reserved for app
  CHECK(choice->must_include.empty());
  table.Swap(pod, {"a", "d"});
  table.Give(pod, {});
  choice = table.PreferenceFor(pod, *table.Next("1"));
  REQUIRE(choice);
  CHECK(choice->available == DeviceIds{"b", "c", "d"});
  CHECK(choice->must_include == DeviceIds{"d"});
  table.Swap(pod, {"b", "nonsense"});
  auto held = GiveAll(table, pod);
  CHECK(held["init"] == DeviceIds{"d"});
  CHECK(held["app"] == DeviceIds{"b", "d"});
  REQUIRE(table.Plan(MakePod("2", {{"x", 1}}), false).ok());  // c is free again
}

TEST_CASE(
    "devices near the wanted NUMA nodes come first, and are the plugin's choice when they "
    "suffice") {
  DeviceTable table;
  table.SetDevices(kThing, {{"a", true, {0}}, {"b", true, {1}}, {"c", true, {1}}, {"d", true, {}}});
  auto near = [](const std::string&, const std::string&) {
    return std::optional<std::set<int64_t>>({1});
  };
  auto pod = MakePod("1", {{"x", 1}});
  REQUIRE(table.Plan(pod, false, near).ok());
  auto choice = table.PreferenceFor(pod, *table.Next("1"));
  REQUIRE(choice);
  CHECK(choice->available == DeviceIds{"b", "c"});
  table.Swap(pod, {"a", "c"});
  CHECK(GiveAll(table, pod)["x"] == DeviceIds{"c"});
  CHECK(table.Of("1", "x")->at(kThing).by_node ==
        std::map<int64_t, std::vector<std::string>>{{1, {"c"}}});
  auto two = MakePod("2", {{"x", 2}});
  REQUIRE(table.Plan(two, false, near).ok());
  choice = table.PreferenceFor(two, *table.Next("2"));
  REQUIRE(choice);
  CHECK(choice->must_include == DeviceIds{"b"});
  CHECK(choice->available == DeviceIds{"a", "b", "d"});
  table.Swap(two, {"d"});
  CHECK(GiveAll(table, two)["x"] == DeviceIds{"b", "d"});
}

TEST_CASE("unhealthy and unknown resources, in upstream's words") {
  DeviceTable table;
  auto pod = MakePod("1", {{"x", 1}});
  // Nobody knows it: that is the scheduler's or somebody else's resource.
  CHECK(table.Plan(pod, false).ok());
  CHECK(!table.Holds("1"));
  table.SetDevices(kThing, Healthy({"a"}));
  CHECK(table.SetUnhealthy(kThing) == DeviceIds{"a"});
  CHECK(RefusalOf(table, pod) ==
        "no healthy devices present; cannot allocate unhealthy devices example.com/thing");
  CHECK(table.SetDevices(kThing, Healthy({"a"})) == DeviceIds{"a"});
  REQUIRE(table.Plan(pod, false).ok());
  GiveAll(table, pod);
  table.Drop(kThing);
  CHECK(RefusalOf(table, MakePod("2", {{"x", 1}})) ==
        "cannot allocate unregistered device example.com/thing");
  // What was given is not judged again, but it cannot become more.
  CHECK(table.Plan(pod, false).ok());
  CHECK(RefusalOf(table, MakePod("1", {{"x", 2}})) ==
        "pod \"1\" container \"x\" changed request for resource \"example.com/thing\" from 1 to 2");
}

TEST_CASE("a pod waits for a plugin that was there before the start, and reserves nothing real") {
  DeviceTable table;
  table.Expect(kThing);
  auto pod = MakePod("1", {{"init", 1, Spec::kInit}, {"app", 2}});
  REQUIRE(table.Plan(pod, true).ok());
  CHECK(table.Deferred("1") == kThing);
  CHECK(table.Next("1") == nullptr);
  CHECK(table.InUse() == std::map<std::string, int64_t>{{kThing, 2}});
  CHECK(RefusalOf(table, MakePod("2", {{"x", 1}}), false) ==
        "no healthy devices present; cannot allocate unhealthy devices example.com/thing");
  table.SetDevices(kThing, Healthy({"a", "b"}));
  table.Cancel("1");
  REQUIRE(table.Plan(pod, true).ok());
  CHECK(table.Deferred("1").empty());
  CHECK(GiveAll(table, pod)["app"] == DeviceIds{"a", "b"});
}

TEST_CASE("the checkpoint is what upstream writes, and brings everything back") {
  DeviceTable table;
  table.SetDevices(kThing, {{"a", true, {0, 1}}, {"b", true, {}}, {"c", false, {}}});
  auto pod = MakePod("u", {{"x", 2}});
  REQUIRE(table.Plan(pod, false).ok());
  GiveAll(table, pod);
  auto text = EncodeDeviceCheckpoint(table.Save());
  auto read = DecodeDeviceCheckpoint(text);
  INFO(text);
  REQUIRE(read.ok());
  CHECK(*read == table.Save());
  DeviceTable again;
  again.Load(*read);
  CHECK(again.Of("u", "x")->at(kThing).Ids() == DeviceIds{"a", "b"});
  CHECK(again.Of("u", "x")->at(kThing).response.envs().at("FOR") == "x");
  CHECK(!again.Seen(kThing));
  CHECK(again.Resources().at(kThing).capacity == 0);
  CHECK(again.Healthy(kThing, "a") == std::nullopt);
  CHECK(again.HoldersOf(kThing, {"b"}) == std::set<std::string>{"u"});
}

TEST_CASE("checkpoints of upstream with their checksums") {
  // Computed by upstream's own code.
  struct Row {
    const char* text;
    size_t entries;
  };
  auto row = GENERATE(
      Row{R"({"Data":{"PodDeviceEntries":null,"RegisteredDevices":{}},"Checksum":3467439661})", 0},
      Row{R"({"Data":{"PodDeviceEntries":[{"PodUID":"uid","ContainerName":"c","ResourceName":"example.com/dev","DeviceIDs":{"-1":["d9"],"0":["d1","d2"]},"AllocResp":"CgA="}],"RegisteredDevices":{"example.com/dev":["d1","d2"]}},"Checksum":4177193867})",
          1});
  auto read = DecodeDeviceCheckpoint(row.text);
  INFO(read.status());
  REQUIRE(read.ok());
  CHECK(read->entries.size() == row.entries);
  auto again = DecodeDeviceCheckpoint(EncodeDeviceCheckpoint(*read));
  REQUIRE(again.ok());
  CHECK(*again == *read);
  std::string text = row.text, sum = text.substr(text.find("Checksum\":"));
  CHECK(EncodeDeviceCheckpoint(*read).find(sum) != std::string::npos);
}

TEST_CASE("a bad checkpoint says what is wrong with it") {
  struct Row {
    const char* text;
    const char* why;
  };
  auto row = GENERATE(
      Row{"", "the file is no JSON"}, Row{"[]", "`Data` is missing"},
      Row{R"({"Data":{},"Checksum":1})", "the checksum is 1, the data's is "},
      Row{R"({"Data":{}})", "`Checksum` is missing"},
      Row{R"({"Data":{"PodDeviceEntries":[3]},"Checksum":1})", "PodDeviceEntries has an item"},
      Row{R"({"Data":{"PodDeviceEntries":[{"DeviceIDs":{"x":[]}}]},"Checksum":1})",
          "DeviceIDs has the key \"x\", which is no number"},
      Row{R"({"Data":{"PodDeviceEntries":[{"AllocResp":"!"}]},"Checksum":1})",
          "AllocResp is no base64"},
      Row{R"({"Data":{"RegisteredDevices":{"r":[1]}},"Checksum":1})",
          "RegisteredDevices has an item that is no string"});
  auto read = DecodeDeviceCheckpoint(row.text);
  INFO(row.text);
  REQUIRE(absl::IsInvalidArgument(read.status()));
  CHECK(base::Message(read.status()).find(row.why) == 0);
}

}  // namespace
}  // namespace kubelet::resource
