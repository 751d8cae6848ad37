// The files of allocations: upstream's bytes, and what becomes of bad ones.
#include "kubelet/resource/allocation_file.h"

#include <boost/asio/io_context.hpp>
#include <fstream>

#include "catch.h"
#include "kubelet/api/codec.h"
#include "kubelet/os/file.h"
#include "os/temp_dir.h"

namespace kubelet::resource {
namespace {

// pkg/kubelet/allocation/state/state_checkpoint_test.go (1.36), whose checksum upstream computed.
constexpr char kUpstream[] =
    R"({"data":"{\"entries\":{\"pod1\":{\"ContainerResources\":{\"container1\":{\"requests\":{\"cpu\":\"1Ki\",\"memory\":\"1Ki\"}}}}}}","checksum":1178570812})";

api::core::ResourceRequirements Resources(const std::string& json) {
  api::core::ResourceRequirements out;
  REQUIRE(api::DecodeJson(json, out).ok());
  return out;
}

struct Loop {
  boost::asio::io_context io{1};
  base::RealClock clock{io};  // the pool's threads are real
  base::BlockingPool pool{io.get_executor(), clock, {}};
  AllocationFile::Deps Deps() { return {io.get_executor(), clock, WriteOn(pool)}; }
  void Flush(AllocationFile& file) {
    base::TaskScope scope(io.get_executor());
    scope.Spawn("flush", file.Flushed());
    io.restart();
    while (scope.size() > 0) io.run_one();
  }
};

TEST_CASE("an allocation file of upstream is read") {
  auto pods = DecodeAllocations(kUpstream);
  INFO(pods.status());
  REQUIRE(pods.ok());
  REQUIRE(pods->size() == 1);
  const auto& pod = pods->at("pod1");
  CHECK_FALSE(pod.pod_level);
  CHECK(pod.containers.at("container1").requests().at("memory").string() == "1Ki");
}

TEST_CASE("allocations are written as upstream writes them") {
  AllocationMap pods;
  pods["u2"].containers["b"] = Resources(R"({"limits":{"memory":"64Mi","cpu":"100m"}})");
  pods["u2"].containers["a"] = {};
  pods["u1"].pod_level = Resources(R"({"requests":{"cpu":"1"}})");
  // Keys sorted, a nil pointer written out, no key for empty maps: encoding/json of
  // PodResourceInfo.
  std::string data =
      R"({"entries":{"u1":{"ContainerResources":{},"PodLevelResources":{"requests":{"cpu":"1"}}},)"
      R"("u2":{"ContainerResources":{"a":{},"b":{"limits":{"cpu":"100m","memory":"64Mi"}}},"PodLevelResources":null}}})";
  std::string quoted;
  for (char c : data) quoted += c == '"' ? std::string("\\\"") : std::string(1, c);
  std::string text = EncodeAllocations(pods);
  CHECK(text.rfind("{\"data\":\"" + quoted + "\",\"checksum\":", 0) == 0);
  auto back = DecodeAllocations(text);
  REQUIRE(back.ok());
  CHECK(EncodeAllocations(*back) == text);
  CHECK(EncodeAllocations({}) == R"({"data":"{}","checksum":694314937})");
}

TEST_CASE("a bad allocation file says what is wrong") {
  std::string good = kUpstream;
  struct Case {
    std::string text, problem;
  };
  std::string other = good;
  other.replace(other.find("1Ki"), 3, "2Ki");
  for (const Case& c : std::vector<Case>{{"", "no JSON"},
                                         {good.substr(0, good.size() / 2), "no JSON"},
                                         {"[]", "no JSON object"},
                                         {"{}", "`data` is missing"},
                                         {R"({"data":"{}"})", "`checksum` is missing"},
                                         {other, "checksum"}}) {
    INFO(c.text);
    auto pods = DecodeAllocations(c.text);
    REQUIRE(absl::IsInvalidArgument(pods.status()));
    CHECK(std::string(pods.status().message()).find(c.problem) != std::string::npos);
  }
}

TEST_CASE("what is set is on disk after a flush, and equal amounts are not written again") {
  test::TempDir dir;
  std::string path = dir.path() + "/allocated_pods_state";
  Loop loop;
  {
    AllocationFile file(loop.Deps(), path);
    file.Load();
    file.SetContainer("u1", "c", Resources(R"({"requests":{"cpu":"1000m"}})"));
    loop.Flush(file);
    auto first = os::Stat(path);
    REQUIRE(first.ok());
    file.SetContainer("u1", "c", Resources(R"({"requests":{"cpu":"1"}})"));
    loop.Flush(file);
    CHECK(os::Stat(path)->id == first->id);
    file.SetPodLevel("u1", Resources(R"({"limits":{"cpu":"2"}})"));
    file.Set("u2", {});
    file.Remove("u2");
    loop.Flush(file);
    CHECK_FALSE(os::Stat(path)->id == first->id);
  }
  AllocationFile again(loop.Deps(), path);
  again.Load();
  REQUIRE(again.all().size() == 1);
  CHECK(again.Get("u1")->containers.at("c").requests().at("cpu").string() == "1");
  CHECK(again.Get("u1")->pod_level->limits().at("cpu").string() == "2");
  CHECK(again.Get("u2") == nullptr);
}

TEST_CASE("a bad allocation file is set aside and the next write makes a good one") {
  test::TempDir dir;
  std::string path = dir.path() + "/allocated_pods_state";
  { std::ofstream(path) << "{\"data\":"; }
  Loop loop;
  AllocationFile file(loop.Deps(), path);
  file.Load();
  CHECK(file.all().empty());
  CHECK(absl::IsNotFound(os::Stat(path).status()));
  CHECK(os::ReadRegularFile(path + ".bad", 100)->text == "{\"data\":");
  file.SetContainer("u1", "c", {});
  loop.Flush(file);
  CHECK(DecodeAllocations(os::ReadRegularFile(path, 1000)->text).ok());
}

}  // namespace
}  // namespace kubelet::resource
