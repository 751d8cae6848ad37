#include "kubelet/os/security.h"

#include "catch.h"
#include "os/temp_dir.h"

namespace kubelet::os {
namespace {

TEST_CASE("CPUs that tell of their heat, in their order") {
  test::TempDir root;
  const std::string cpus = "/sys/devices/system/cpu/";
  for (const char* name : {"cpu10", "cpu2", "cpufreq", "cpu3x"})
    test::WriteText(root.path() + cpus + name + "/thermal_throttle/count", "0");
  test::WriteText(root.path() + cpus + "cpu0/topology", "0");
  CHECK(ThermalThrottlePaths(root.path()) ==
        std::vector<std::string>{cpus + "cpu2/thermal_throttle", cpus + "cpu10/thermal_throttle"});
  CHECK(ThermalThrottlePaths(root / "none").empty());
}

TEST_CASE("SELinux is on when its filesystem is there") {
  test::TempDir root;
  CHECK_FALSE(SelinuxEnabled(root.path()));
  test::WriteText(root / "sys/fs/selinux/enforce", "1");
  CHECK(SelinuxEnabled(root.path()));
}

}  // namespace
}  // namespace kubelet::os
