#include "conformance/guard.h"

#include "catch.h"
#include "kubelet/base/status.h"

namespace kubelet::conformance {
namespace {

std::vector<runtime::Sandbox> Pods(int count) {
  std::vector<runtime::Sandbox> pods(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    pods[static_cast<size_t>(i)].namespace_ = "shop";
    pods[static_cast<size_t>(i)].name = "web-" + std::to_string(i);
  }
  return pods;
}

TEST_CASE("a runtime that has pods of others is refused, and some are named", "[conformance]") {
  CHECK(CheckUnused({}).ok());
  absl::Status one = CheckUnused(Pods(1));
  CHECK(absl::IsFailedPrecondition(one));
  CHECK(base::Message(one).find("pods shop/web-0, which") != std::string::npos);
  CHECK(base::Message(one).find("--end-other-pods") != std::string::npos);
  std::string many = base::Message(CheckUnused(Pods(5)));
  CHECK(many.find("shop/web-2 and 2 more,") != std::string::npos);
  CHECK(many.find("web-3") == std::string::npos);
}

TEST_CASE("pods that have ended count too: a kubelet removes what it does not know",
          "[conformance]") {
  auto pods = Pods(1);
  pods[0].state = runtime::SandboxState::kNotReady;
  CHECK_FALSE(CheckUnused(pods).ok());
}

}  // namespace
}  // namespace kubelet::conformance
