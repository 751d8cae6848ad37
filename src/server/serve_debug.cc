// Checkpoints and the log level.
#include <charconv>

#include "kubelet/base/log.h"
#include "kubelet/base/log_level.h"
#include "kubelet/base/status.h"
#include "server/endpoints.h"

namespace kubelet::server {

base::Task<void> ServeCheckpoint(ContextPtr context, ExchangePtr exchange, Route route) {
  int64_t seconds = 0;
  std::optional<std::string> timeout;
  for (const auto& [name, value] : exchange->request().query)
    if (name == "timeout") timeout = value;
  if (timeout) {
    const char* end = timeout->data() + timeout->size();
    auto [rest, ec] = std::from_chars(timeout->data(), end, seconds);
    if (ec != std::errc() || rest != end || seconds < 0 || seconds > 86'400) {
      co_await exchange->Respond(404, kPlainText, "cannot parse value of timeout parameter");
      co_return;
    }
  }
  std::function<base::Task<absl::StatusOr<std::string>>()> make = [pods = &context->deps.pods,
                                                                   route, seconds] {
    return pods->Checkpoint(route.pod, route.container, std::chrono::seconds(seconds));
  };
  auto path =
      co_await context->core.Call<absl::StatusOr<std::string>>("checkpoint", std::move(make));
  if (!path.ok()) {
    int code = absl::IsNotFound(path.status()) ? 404 : 500;
    co_await exchange->Respond(code, kPlainText, base::Message(path.status()));
    co_return;
  }
  co_await exchange->Respond(200, "application/json", "{\"items\":[\"" + *path + "\"]}");
}

// apiserver routes.StringFlagPutHandler with logs.GlogSetter.
base::Task<void> ServeVerbosity(ContextPtr, ExchangePtr exchange, Route) {
  if (exchange->request().method != "PUT") {
    co_await exchange->Respond(406, "text/plain", "unsupported http method\n");
    co_return;
  }
  const std::string& text = exchange->request().body;
  int32_t level = 0;
  const char* begin = text.data();
  const char* end = begin + text.size();
  auto [rest, ec] = std::from_chars(begin + (text.rfind('+', 0) == 0 ? 1 : 0), end, level);
  if (text.empty() || ec != std::errc() || rest != end) {
    bool range = ec == std::errc::result_out_of_range;
    std::string why = "failed set klog.logging.verbosity " + text +
                      ": strconv.ParseInt: parsing \"" + text +
                      "\": " + (range ? "value out of range" : "invalid syntax") + "\n";
    co_await exchange->Respond(400, "text/plain", std::move(why));
    co_return;
  }
  base::SetLogVerbosity(level);
  LOG_INFO("Log verbosity set", "verbosity", level);
  co_await exchange->Respond(200, "text/plain",
                             "successfully set klog.logging.verbosity to " + text + "\n");
}

}  // namespace kubelet::server
