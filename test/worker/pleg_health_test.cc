// When the list of pods is trusted: what the node's condition Ready hears of it.
#include "catch.h"
#include "fakes/node_sim.h"
#include "kubelet/base/status.h"

namespace kubelet::test {
namespace {

using namespace std::chrono_literals;

bool Has(const absl::Status& status, const std::string& text) {
  return base::Message(status).find(text) != std::string::npos;
}

TEST_CASE(
    "a runtime that does not list its pods is not healthy: at first, and after three minutes") {
  World world;
  world.runtime.SetDown(true);
  Kubelet kubelet(world);
  world.Advance(10s);
  CHECK_FALSE(kubelet.pleg->Synced());
  CHECK(Has(kubelet.pleg->Health(), "pleg has yet to be successful"));
  world.runtime.SetDown(false);
  world.Advance(10s);
  CHECK(kubelet.pleg->Health().ok());
  // It hangs, and so has no error to tell of.
  world.runtime.Inject({"ListPodSandbox", "", Fault::Kind::kHang, -1, absl::OkStatus()});
  world.Advance(170s);
  CHECK(kubelet.pleg->Health().ok());
  world.Advance(30s);
  absl::Status silent = kubelet.pleg->Health();
  CHECK(Has(silent, "pleg was last seen active 3m"));
  CHECK(base::Message(silent).ends_with("ago; threshold is 3m0s"));
  world.runtime.Heal();
  world.Advance(10s);
  CHECK(kubelet.pleg->Health().ok());
}

}  // namespace
}  // namespace kubelet::test
