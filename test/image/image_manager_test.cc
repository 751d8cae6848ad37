#include "kubelet/image/image_manager.h"

#include <boost/asio/io_context.hpp>

#include "catch.h"
#include "fakes/fake_runtime.h"
#include "fakes/pods.h"
#include "image/pull_texts.h"

namespace kubelet::image {
namespace {

using namespace std::chrono_literals;
using runtime::WaitingReason;

struct ImageManagerBench {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  test::FakeRuntime world{io.get_executor(), clock};
  test::FakeRuntimeClient service{world};
  // Pulls that the manager's end cancels still have to end.
  struct Drain {
    boost::asio::io_context& io;
    ~Drain() {
      io.restart();
      io.poll();
    }
  } drain{io};
  std::vector<std::string> woken, events, texts, pulls;
  ImageManager manager;

  explicit ImageManagerBench(ImageManager::Options options = {})
      : manager({io.get_executor(), clock, service,
                 [this](const std::string& uid) { woken.push_back(uid); },
                 [this](const auto&, const runtime::PodEvent& event) {
                   events.push_back(event.reason);
                   texts.push_back(event.message);
                 },
                 nullptr, nullptr, nullptr,
                 [this](const std::string& uid, const std::string& image, bool there) {
                   pulls.push_back(uid + (there ? " has " : " pulls ") + image);
                 }},
                options) {}
  void Run() {
    io.restart();
    io.poll();
  }
  void Advance(base::Nanos d) {
    clock.Advance(d, [this] { Run(); });
  }
  static base::Task<void> Ask(ImageManager& manager, api::PodPtr pod, std::string image,
                              std::string policy, runtime::Images::Answer& out) {
    out = co_await manager.Ensure(pod, "c", image, policy, runtime::SandboxConfig());
  }
  runtime::Images::Answer Ensure(const std::string& uid, const std::string& image,
                                 const std::string& policy) {
    test::PodSpec spec;
    spec.uid = uid;
    runtime::Images::Answer answer;
    base::TaskScope scope(io.get_executor());
    scope.Spawn("ask", Ask(manager, test::MakePod(spec), image, policy, answer));
    Run();
    return answer;
  }
};

TEST_CASE("pull policies with and without the image") {
  struct Row {
    const char* policy;
    bool there;
    bool answered;  // at once, without a pull
    WaitingReason reason;
    size_t pulls;
  };
  auto row = GENERATE(Row{"Never", true, true, WaitingReason::kNone, 0},
                      Row{"Never", false, false, WaitingReason::kErrImageNeverPull, 0},
                      Row{"IfNotPresent", true, true, WaitingReason::kNone, 0},
                      Row{"IfNotPresent", false, false, WaitingReason::kContainerCreating, 1},
                      Row{"Always", true, false, WaitingReason::kContainerCreating, 1},
                      Row{"", true, true, WaitingReason::kNone, 0});  // as IfNotPresent
  INFO(row.policy << (row.there ? " there" : " absent"));
  ImageManagerBench bench;
  if (row.there) bench.world.images.insert("a:1");
  auto answer = bench.Ensure("u", "a:1", row.policy);
  CHECK(answer.image.has_value() == row.answered);
  CHECK(answer.waiting.reason == row.reason);
  CHECK(answer.pulling == (row.pulls > 0));
  bench.Run();
  CHECK(bench.world.Count("PullImage") == row.pulls);
  if (row.pulls == 0) return;
  CHECK(bench.woken == std::vector<std::string>{"u"});
  CHECK(bench.Ensure("u", "a:1", row.policy).image.has_value());
  CHECK(bench.world.Count("PullImage") == row.pulls);
}

TEST_CASE("it is told for which pod a pull begins, again after a failure, and when the image is there") {
  using Told = std::vector<std::string>;
  ImageManagerBench bench;
  bench.world.pull_error["a:1"] = absl::UnavailableError("away");
  bench.Ensure("u1", "a:1", "IfNotPresent");
  bench.Run();
  CHECK(bench.pulls == Told{"u1 pulls a:1"});
  bench.Ensure("u1", "a:1", "IfNotPresent");
  CHECK(bench.pulls.size() == 1);
  bench.world.pull_error.clear();
  bench.Advance(20s);
  bench.Ensure("u1", "a:1", "IfNotPresent");
  bench.Run();
  CHECK(bench.pulls == Told{"u1 pulls a:1", "u1 pulls a:1", "u1 has a:1"});
  // Pulled by another meanwhile.
  bench.Ensure("u2", "a:1", "IfNotPresent");
  CHECK(bench.pulls.back() == "u2 has a:1");
}

TEST_CASE("one pull at a time, in order; the next starts when one has ended") {
  ImageManagerBench bench;
  for (const char* image : {"a:1", "b:1", "c:1"}) bench.world.pull_takes[image] = 10s;
  bench.Ensure("u1", "a:1", "Always");
  bench.Ensure("u2", "b:1", "Always");
  bench.Ensure("u3", "c:1", "Always");
  bench.Advance(10s);
  CHECK(bench.woken == std::vector<std::string>{"u1"});
  bench.Advance(10s);
  CHECK(bench.woken == std::vector<std::string>{"u1", "u2"});
}

TEST_CASE("pulls beyond the burst are refused and backed off, and go through later") {
  ImageManager::Options options;
  options.parallel_pulls = 0;
  options.pull_qps = 1;
  options.pull_burst = 2;
  ImageManagerBench bench(options);
  for (int i = 0; i < 3; ++i)
    bench.Ensure("u" + std::to_string(i), "a:" + std::to_string(i), "Always");
  bench.Run();
  CHECK(bench.world.Count("PullImage") == 2);
  auto refused = bench.Ensure("u2", "a:2", "Always");
  CHECK(refused.waiting.reason == WaitingReason::kErrImagePull);
  CHECK(refused.waiting.message == "pull QPS exceeded");
  bench.Advance(11s);
  bench.Ensure("u2", "a:2", "Always");
  bench.Run();
  CHECK(bench.world.Count("PullImage") == 3);
}

TEST_CASE("reasons that a runtime puts before its error") {
  struct Row {
    const char* text;
    WaitingReason reason;
  };
  auto row =
      GENERATE(Row{"RegistryUnavailable: gone", WaitingReason::kRegistryUnavailable},
               Row{"SignatureValidationFailed: no", WaitingReason::kSignatureValidationFailed},
               Row{"else", WaitingReason::kErrImagePull});
  ImageManagerBench bench;
  bench.world.pull_error["a:1"] = absl::UnknownError(row.text);
  bench.Ensure("u", "a:1", "Always");
  bench.Run();
  auto answer = bench.Ensure("u", "a:1", "Always");
  CHECK(answer.waiting.reason == row.reason);
  CHECK(bench.Ensure("u", "a:1", "Always").waiting.reason == WaitingReason::kImagePullBackOff);
}

TEST_CASE("an image name that is none, and a runtime that cannot be asked") {
  ImageManagerBench bench;
  CHECK(bench.Ensure("u", "Bad", "Always").waiting.reason == WaitingReason::kInvalidImageName);
  bench.world.SetDown(true);
  auto answer = bench.Ensure("u", "a:1", "IfNotPresent");
  CHECK(answer.waiting.reason == WaitingReason::kImageInspectError);
  CHECK(answer.retry_at.has_value());
}

TEST_CASE("an image that CreateContainer missed is looked for again") {
  ImageManagerBench bench;
  bench.world.images.insert("a:latest");
  CHECK(bench.Ensure("u", "a", "IfNotPresent").image);
  bench.world.images.clear();
  CHECK(bench.Ensure("u", "a", "IfNotPresent").image);  // believed for a while
  bench.manager.Forget("a");
  CHECK(bench.Ensure("u", "a", "IfNotPresent").pulling);
}

TEST_CASE("the words of a pull that works") {
  ImageManager::Options options;
  ImageManagerBench bench(options);
  bench.world.pull_takes["a:latest"] = 1500ms;
  bench.world.image_details["a:latest"].size_bytes = 42;
  bench.Ensure("u1", "b:1", "Always");
  bench.world.pull_takes["b:1"] = 0s;
  bench.texts.clear();
  bench.Ensure("u2", "a", "Always");
  bench.Advance(2s);
  CHECK(bench.Ensure("u2", "a", "Always").image.has_value());
  CHECK(bench.texts == std::vector<std::string>{"Pulling image \"a\"",
                                                "Successfully pulled image \"a\" in 1.5s (1.5s "
                                                "including waiting). Image size: 42 bytes."});
}

TEST_CASE(
    "a failure is told as upstream tells it, then its back-off, and goes on being shown while it "
    "is tried again") {
  ImageManagerBench bench;
  bench.world.pull_error["a:latest"] = absl::NotFoundError("no such thing");
  bench.Ensure("u", "a", "IfNotPresent");
  bench.Run();
  bench.texts.clear();
  auto first = bench.Ensure("u", "a", "IfNotPresent");
  CHECK(first.waiting.reason == WaitingReason::kErrImagePull);
  CHECK(first.waiting.message == "rpc error: code = NotFound desc = no such thing");
  auto second = bench.Ensure("u", "a", "IfNotPresent");
  CHECK(second.waiting.message ==
        "Back-off pulling image \"a\": ErrImagePull: rpc error: code = NotFound desc = no such "
        "thing");
  CHECK(bench.texts == std::vector<std::string>{"Error: ErrImagePull",
                                                "Back-off pulling image \"a\"",
                                                "Error: ImagePullBackOff"});
  bench.Advance(11s);
  auto again = bench.Ensure("u", "a", "IfNotPresent");
  CHECK(again.pulling);
  CHECK(again.waiting.reason == WaitingReason::kImagePullBackOff);
}

TEST_CASE("a runtime's special reasons have words of their own") {
  ImageManagerBench bench;
  bench.world.pull_error["a:1"] = absl::UnknownError("RegistryUnavailable: gone");
  bench.Ensure("u", "a:1", "Always");
  bench.Run();
  auto answer = bench.Ensure("u", "a:1", "Always");
  CHECK(answer.waiting.reason == WaitingReason::kRegistryUnavailable);
  CHECK(answer.waiting.message ==
        "image pull failed for a:1 because the registry is unavailable: gone");
}

TEST_CASE("a pull that hangs holds up nobody for long, even one at a time") {
  ImageManagerBench bench;
  bench.world.pull_takes["hangs:1"] = 100h;
  bench.Ensure("u1", "hangs:1", "Always");
  bench.Ensure("u2", "b:1", "Always");
  bench.Advance(29s);
  CHECK(bench.woken.empty());
  bench.Advance(2s);
  CHECK(bench.woken == std::vector<std::string>{"u2"});
  CHECK(bench.Ensure("u1", "hangs:1", "Always").pulling);
}

TEST_CASE("sizes of images in the metric") {
  CHECK(SizeBucket(0) == "N/A");
  CHECK(SizeBucket(1) == "0-10MB");
  CHECK(SizeBucket(10 << 20) == "0-10MB");
  CHECK(SizeBucket((10 << 20) + 1) == "10MB-100MB");
  CHECK(SizeBucket(uint64_t{101} << 30) == "GT100GB");
}

TEST_CASE("errors of several tries") {
  CHECK(JoinErrors({"a"}) == "a");
  CHECK(JoinErrors({"a", "a"}) == "a");
  CHECK(JoinErrors({"a", "b"}) == "[a, b]");
}

}  // namespace
}  // namespace kubelet::image
