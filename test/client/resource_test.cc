#include "catch.h"
#include "kubelet/client/api.h"

using namespace kubelet;
using namespace kubelet::client;

TEST_CASE("paths are those of the API conventions") {
  CHECK(ObjectPath{kNodes, "", "n1", "status"}.Text() == "/api/v1/nodes/n1/status");
  CHECK(ObjectPath{kPods, "", "", ""}.Text() == "/api/v1/pods");
  CHECK(ObjectPath{kPods, "default", "web", ""}.Text() == "/api/v1/namespaces/default/pods/web");
  CHECK(ObjectPath{kLeases, "kube-node-lease", "n1", ""}.Text() ==
        "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1");
  CHECK(ObjectPath{kSecrets, "a/../b", "x y", ""}.Text() ==
        "/api/v1/namespaces/a%2F..%2Fb/secrets/x%20y");
}

TEST_CASE("an API error keeps what the server said through a status") {
  auto status =
      ToStatus({409, "AlreadyExists", "pods \"a\"\nalready exists", std::chrono::seconds(2)});
  CHECK(status.code() == absl::StatusCode::kAlreadyExists);
  auto error = ErrorOf(status);
  REQUIRE(error);
  CHECK(error->code == 409);
  CHECK(error->reason == "AlreadyExists");
  CHECK(error->message == "pods \"a\"\nalready exists");
  CHECK(error->retry_after == base::Nanos(std::chrono::seconds(2)));
  CHECK_FALSE(ErrorOf(absl::UnavailableError("connection refused")));
  CHECK(ToStatus({503, "", "", {}}).code() == absl::StatusCode::kUnavailable);
  CHECK(ToStatus({409, "Conflict", "", {}}).code() == absl::StatusCode::kAborted);
}
