#include "app/tune_kernel.h"

#include "catch.h"
#include "kubelet/os/kernel_tunables.h"
#include "os/temp_dir.h"

namespace kubelet::app {
namespace {

void Fill(const test::TempDir& proc) {
  for (auto tunable : os::KernelTunables()) {
    for (char& c : tunable.name) c = c == '.' ? '/' : c;
    test::WriteText(proc / ("sys/" + tunable.name), std::to_string(tunable.wanted) + "\n");
  }
}

TEST_CASE(
    "protectKernelDefaults refuses a machine whose kernel parameters differ, and leaves them") {
  test::TempDir proc;
  Fill(proc);
  config::LoadedConfig config;
  config.kubelet.set_protect_kernel_defaults(true);
  CHECK(TuneKernel(config, proc.path()).ok());
  test::WriteText(proc / "sys/vm/panic_on_oom", "1\n");
  test::WriteText(proc / "sys/kernel/panic", "0\n");
  auto status = TuneKernel(config, proc.path());
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(status.message() ==
        "protectKernelDefaults: invalid kernel flag: vm.panic_on_oom, expected value: 0, actual "
        "value: 1; invalid kernel flag: kernel.panic, expected value: 10, actual value: 0");
  CHECK(test::ReadText(proc / "sys/kernel/panic") == "0\n");
}

TEST_CASE("a kubelet sets the kernel's parameters, and starts where it may not") {
  test::TempDir proc;
  Fill(proc);
  test::WriteText(proc / "sys/kernel/panic", "0\n");
  std::filesystem::remove(proc / "sys/vm/panic_on_oom");
  CHECK(TuneKernel({}, proc.path()).ok());
  CHECK(test::ReadText(proc / "sys/kernel/panic") == "10");
}

}  // namespace
}  // namespace kubelet::app
