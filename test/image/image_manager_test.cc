#include "kubelet/image/image_manager.h"

#include <boost/asio/io_context.hpp>

#include "catch.h"
#include "fakes/fake_runtime.h"
#include "fakes/pods.h"

namespace kubelet::image {
namespace {

using namespace std::chrono_literals;
using runtime::WaitingReason;

struct Bench {
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
  std::vector<std::string> woken, events;
  ImageManager manager;

  explicit Bench(ImageManager::Options options = {})
      : manager({io.get_executor(), clock, service, [this](const std::string& uid) { woken.push_back(uid); },
                 [this](const auto&, const runtime::PodEvent& event) { events.push_back(event.reason); }, nullptr},
                options) {}
  void Run() {
    io.restart();
    io.poll();
  }
  void Advance(base::Nanos d) {
    clock.Advance(d, [this] { Run(); });
  }
  static base::Task<void> Ask(ImageManager& manager, api::PodPtr pod, std::string image, std::string policy,
                              runtime::Images::Answer& out) {
    out = co_await manager.Ensure(pod, "c", image, policy, runtime::SandboxConfig());
  }
  runtime::Images::Answer Ensure(const std::string& uid, const std::string& image, const std::string& policy) {
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
                      Row{"", true, true, WaitingReason::kNone, 0});
  INFO(row.policy << (row.there ? " there" : " absent"));
  Bench bench;
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

TEST_CASE("one pull at a time, in order; the next starts when one has ended") {
  Bench bench;
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
  Bench bench(options);
  for (int i = 0; i < 3; ++i) bench.Ensure("u" + std::to_string(i), "a:" + std::to_string(i), "Always");
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
  auto row = GENERATE(Row{"RegistryUnavailable: gone", WaitingReason::kRegistryUnavailable},
                      Row{"SignatureValidationFailed: no", WaitingReason::kSignatureValidationFailed},
                      Row{"else", WaitingReason::kErrImagePull});
  Bench bench;
  bench.world.pull_error["a:1"] = absl::UnknownError(row.text);
  bench.Ensure("u", "a:1", "Always");
  bench.Run();
  auto answer = bench.Ensure("u", "a:1", "Always");
  CHECK(answer.waiting.reason == row.reason);
  CHECK(bench.Ensure("u", "a:1", "Always").waiting.reason == WaitingReason::kImagePullBackOff);
}

TEST_CASE("an image name that is none, and a runtime that cannot be asked") {
  Bench bench;
  CHECK(bench.Ensure("u", "Bad", "Always").waiting.reason == WaitingReason::kInvalidImageName);
  bench.world.SetDown(true);
  auto answer = bench.Ensure("u", "a:1", "IfNotPresent");
  CHECK(answer.waiting.reason == WaitingReason::kImageInspectError);
  CHECK(answer.retry_at.has_value());
}

TEST_CASE("an image that CreateContainer missed is looked for again") {
  Bench bench;
  bench.world.images.insert("a:latest");
  CHECK(bench.Ensure("u", "a", "IfNotPresent").image);
  bench.world.images.clear();
  CHECK(bench.Ensure("u", "a", "IfNotPresent").image);  // believed for a while
  bench.manager.Forget("a");
  CHECK(bench.Ensure("u", "a", "IfNotPresent").pulling);
}

}  // namespace
}  // namespace kubelet::image
