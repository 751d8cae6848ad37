// In a tree of plain files: the machine's own parameters are not touched.
#include "kubelet/os/kernel_tunables.h"

#include "catch.h"
#include "os/temp_dir.h"

namespace kubelet::os {
namespace {

using test::ReadText;
using test::TempDir;
using test::WriteText;

struct Proc {
  TempDir dir;
  Proc() {
    Set("vm/overcommit_memory", "0\n");
    Set("vm/panic_on_oom", "0\n");
    Set("kernel/panic", "0\n");
    Set("kernel/panic_on_oops", "1\n");
    Set("kernel/keys/root_maxkeys", "1000000\n");
    Set("kernel/keys/root_maxbytes", "20000\n");
  }
  void Set(const std::string& file, const std::string& text) {
    WriteText(dir / ("sys/" + file), text);
  }
  std::string Get(const std::string& file) { return ReadText(dir / ("sys/" + file)); }
};

std::vector<std::string> Names(const std::vector<TunableResult>& results) {
  std::vector<std::string> names;
  for (const auto& result : results) names.push_back(result.name);
  return names;
}

const std::vector<std::string> kOff = {"vm.overcommit_memory", "kernel.panic",
                                       "kernel.keys.root_maxbytes"};

TEST_CASE("kernel parameters are set where they are not as a node wants them") {
  Proc proc;
  auto results = TuneKernel(TunableMode::kSet, proc.dir.path());
  CHECK(Names(results) == kOff);
  for (const auto& result : results) CHECK(result.status.ok());
  CHECK(results[2].before == 20000);
  CHECK(results[2].wanted == 25000000);
  CHECK(proc.Get("vm/overcommit_memory") == "1");
  CHECK(proc.Get("kernel/panic") == "10");
  CHECK(proc.Get("kernel/keys/root_maxbytes") == "25000000");
  CHECK(proc.Get("kernel/panic_on_oops") == "1\n");  // not written again
  CHECK(TuneKernel(TunableMode::kSet, proc.dir.path()).empty());
}

TEST_CASE("kernel parameters that are only looked at stay") {
  Proc proc;
  auto results = TuneKernel(TunableMode::kCheck, proc.dir.path());
  CHECK(Names(results) == kOff);
  CHECK(absl::IsFailedPrecondition(results[0].status));
  CHECK(results[0].status.message() ==
        "invalid kernel flag: vm.overcommit_memory, expected value: 1, actual value: 0");
  CHECK(proc.Get("vm/overcommit_memory") == "0\n");
}

TEST_CASE("kernel parameters that are not there, or that are no numbers, are named") {
  Proc proc;
  std::filesystem::remove(proc.dir / "sys/kernel/panic");
  proc.Set("vm/overcommit_memory", "many\n");
  auto results = TuneKernel(TunableMode::kSet, proc.dir.path());
  CHECK(Names(results) == kOff);
  CHECK(results[0].status.message().find("sys/vm/overcommit_memory: is no number") !=
        std::string::npos);
  CHECK(absl::IsNotFound(results[1].status));
  CHECK(results[1].status.message().find("sys/kernel/panic") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(proc.dir / "sys/kernel/panic"));
  CHECK(results[2].status.ok());  // the others are set all the same
}

}  // namespace
}  // namespace kubelet::os
