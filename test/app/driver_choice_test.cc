#include "app/driver_choice.h"

#include <boost/asio/io_context.hpp>

#include "await.h"
#include "catch.h"
#include "fakes/fake_runtime.h"

namespace kubelet::app {
namespace {

using runtime::CgroupDriver;

struct Bench {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::Registry metrics;
  test::FakeRuntime world{io.get_executor(), clock};
  test::FakeRuntimeClient client{world};
  // The fake's answer is cgroupfs.
  DriverChoice choice{client, CgroupDriver::kSystemd, metrics};

  void Fail(absl::Status status, int times = 1) {
    test::Fault fault;
    fault.method = "RuntimeConfig";
    fault.times = times;
    fault.status = std::move(status);
    world.Inject(std::move(fault));
  }
  absl::StatusOr<CgroupDriver> Find() {
    return test::Await<absl::StatusOr<CgroupDriver>>(io, choice.Find());
  }
  bool Losing() const {
    return metrics.Render().find("kubelet_cri_losing_support{version=\"1.37.0\"} 1") !=
           std::string::npos;
  }
};

TEST_CASE("a runtime that fails to tell its cgroup driver is asked again, until it has told") {
  Bench bench;
  bench.Fail(absl::UnavailableError("starting"));
  bench.Fail(absl::DeadlineExceededError("busy"));
  CHECK(absl::IsUnavailable(bench.Find().status()));
  CHECK_FALSE(bench.choice.known());
  CHECK(bench.choice.trouble().message() == "starting");
  CHECK(absl::IsDeadlineExceeded(bench.Find().status()));
  CHECK(bench.choice.trouble().message() == "busy");
  auto found = bench.Find();
  REQUIRE(found.ok());
  CHECK(*found == CgroupDriver::kCgroupfs);
  CHECK(bench.choice.known());
  CHECK(bench.choice.trouble().ok());
  CHECK_FALSE(bench.Losing());
}

TEST_CASE("a driver that is known stays, whatever the runtime says later") {
  Bench bench;
  REQUIRE(bench.Find().ok());
  bench.Fail(absl::UnavailableError("down"), -1);
  auto again = bench.Find();
  REQUIRE(again.ok());
  CHECK(*again == CgroupDriver::kCgroupfs);
  CHECK(bench.world.Count("RuntimeConfig") == 1);
}

TEST_CASE("a runtime that does not know the question leaves the configured driver") {
  Bench bench;
  bench.Fail(absl::UnimplementedError("unknown method RuntimeConfig"), -1);
  auto found = bench.Find();
  REQUIRE(found.ok());
  CHECK(*found == CgroupDriver::kSystemd);
  CHECK(bench.Losing());
}

TEST_CASE(
    "a runtime that tells nothing of Linux leaves the configured driver and is not called old") {
  Bench bench;
  bench.Fail(absl::NotFoundError("no Linux part"), -1);
  auto found = bench.Find();
  REQUIRE(found.ok());
  CHECK(*found == CgroupDriver::kSystemd);
  CHECK_FALSE(bench.Losing());
}

}  // namespace
}  // namespace kubelet::app
