#include "conformance/cgroups.h"

#include <boost/asio/io_context.hpp>

#include "catch.h"
#include "conformance/node.h"

namespace kubelet::conformance {
namespace {

using runtime::CgroupDriver;
constexpr char kUid[] = "0aa1-22bb";

Json ConfigOf(CgroupDriver driver) {
  boost::asio::io_context io(1);
  base::RealClock clock(io);
  base::BlockingPool pool(io.get_executor(), clock, base::BlockingPool::Options());
  Node::Options options;
  options.groups = RunGroups(driver, "conformance-7");
  return Node({io.get_executor(), clock, pool}, options).Config();
}

TEST_CASE("the run's groups are called as the runtime's driver calls groups", "[conformance]") {
  RunGroups directories(CgroupDriver::kCgroupfs, "conformance-7");
  CHECK(directories.Path() == "/conformance-7");
  CHECK(directories.Path({"kubepods", "burstable"}) == "/conformance-7/kubepods/burstable");
  RunGroups slices(CgroupDriver::kSystemd, "conformance-7");
  // A dash would be a parent: conformance.slice/conformance-7.slice.
  CHECK(slices.Path() == "/conformance7.slice");
  CHECK(slices.Path({"kubepods", "burstable"}) ==
        "/conformance7.slice/conformance7-kubepods.slice/conformance7-kubepods-burstable.slice");
}

TEST_CASE("the kubelet is told driver and root that go together", "[conformance]") {
  Json directories = ConfigOf(CgroupDriver::kCgroupfs);
  CHECK(TextOf(*Find(directories, "cgroupDriver")) == "cgroupfs");
  CHECK(TextOf(*Find(directories, "cgroupRoot")) == "/conformance-7");
  Json slices = ConfigOf(CgroupDriver::kSystemd);
  CHECK(TextOf(*Find(slices, "cgroupDriver")) == "systemd");
  CHECK(TextOf(*Find(slices, "cgroupRoot")) == "/conformance7");
}

TEST_CASE("a full disk costs nobody his images", "[conformance]") {
  CHECK(TextOf(*Find(ConfigOf(CgroupDriver::kCgroupfs), "imageGCHighThresholdPercent")) == "100");
}

TEST_CASE("groups of pods and containers are known by name, whoever made them", "[conformance]") {
  std::string pod = std::string("pod") + kUid;
  CHECK(IsGroupOf("pod0aa1-22bb", pod));
  CHECK(IsGroupOf("conformance7-kubepods-besteffort-pod0aa1_22bb.slice", pod));
  CHECK_FALSE(IsGroupOf("pod0aa1-22bc", pod));
  CHECK_FALSE(IsGroupOf("conformance7-kubepods-besteffort.slice", pod));
  CHECK(IsGroupOf("c0ffee", "c0ffee"));
  CHECK(IsGroupOf("crio-c0ffee", "c0ffee"));
  CHECK(IsGroupOf("cri-containerd-c0ffee.scope", "c0ffee"));
  CHECK(IsGroupOf("crio-c0ffee.scope", "c0ffee"));
  CHECK_FALSE(IsGroupOf("crio-conmon-c0ffee.scope", "c0ffee"));
}

}  // namespace
}  // namespace kubelet::conformance
