// What gets into the log.
#include "kubelet/base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/cord.h"
#include "catch.h"
#include "kubelet/base/status.h"

namespace kubelet::base {
namespace {

// What is logged while it lives.
class Captured {
 public:
  Captured() {
    REQUIRE(pipe2(ends_, O_CLOEXEC) == 0);
    SetLogFd(ends_[1]);
  }
  ~Captured() {
    SetLogFd(2);
    close(ends_[0]);
    close(ends_[1]);
  }
  std::string Line() const {
    char buffer[4096];
    ssize_t size = read(ends_[0], buffer, sizeof buffer);
    return std::string(buffer, size > 0 ? static_cast<size_t>(size) : 0);
  }

 private:
  int ends_[2] = {-1, -1};
};

TEST_CASE("an error in the log is its code and message, without what it carries for programs") {
  absl::Status status = absl::PermissionDeniedError("the API server answered 403 Forbidden");
  status.SetPayload("kubelet.cpp/api-error", absl::Cord("403\n\nForbidden\n"));
  Captured log;
  LOG_WARNING("Event was not recorded", "err", status);
  std::string line = log.Line();
  INFO(line);
  CHECK(
      line.ends_with("\"Event was not recorded\" err=\"PERMISSION_DENIED: the API server answered "
                     "403 Forbidden\"\n"));
  absl::StatusOr<int> result = status;
  LOG_ERROR("Again", "err", result.status(), "of", Annotate(status, "pod ns/web"));
  line = log.Line();
  INFO(line);
  CHECK(line.find("api-error") == std::string::npos);
  CHECK(line.find("of=\"PERMISSION_DENIED: pod ns/web: the API server") != std::string::npos);
  CHECK(Message(status) == "the API server answered 403 Forbidden");
}

// The options while it lives; then the plain ones again.
struct Set {
  explicit Set(const LogOptions& options) { SetLogOptions(options); }
  ~Set() { SetLogOptions({}); }
};

TEST_CASE("a record as JSON: numbers without quotes, all else escaped") {
  Set options({0, "", "json"});
  Captured log;
  LOG_INFO("Said \"yes\"", "pod", std::string("ns/a\nb"), "attempt", 3, "code", std::string("007"),
           "below", -1, "dash", std::string("-"));
  std::string line = log.Line();
  INFO(line);
  CHECK(line.starts_with("{\"ts\":"));
  CHECK(line.find("\"caller\":\"log_test.cc:") != std::string::npos);
  CHECK(line.ends_with(",\"msg\":\"Said \\\"yes\\\"\",\"v\":0,\"pod\":\"ns/a\\nb\",\"attempt\":3,"
                       "\"code\":\"007\",\"below\":-1,\"dash\":\"-\"}\n"));
  LOG_ERROR("Bad", "err", absl::InternalError("x"));
  CHECK(log.Line().ends_with("\"msg\":\"Bad\",\"err\":\"INTERNAL: x\"}\n"));
}

TEST_CASE("-v and --vmodule decide by level and file, and what is off is not evaluated") {
  int evaluated = 0;
  auto value = [&evaluated] { return ++evaluated; };
  Captured log;
  {
    Set options({2, "log_t*=5,other=9", "text"});
    CHECK(LogEnabled(2, "src/base/any.cc"));
    CHECK_FALSE(LogEnabled(3, "src/base/any.cc"));
    CHECK(LogEnabled(9, "src/x/other.cc"));
    LOG_V(5, "Seen", "n", value());
    CHECK(log.Line().ends_with("] \"Seen\" n=1\n"));
    LOG_V(6, "Not seen", "n", value());
  }
  LOG_V(1, "Not seen", "n", value());
  CHECK(evaluated == 1);
}

}  // namespace
}  // namespace kubelet::base
