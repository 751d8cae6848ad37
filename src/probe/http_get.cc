#include "probe/http_get.h"

#include <optional>

#include "kubelet/base/status.h"
#include "probe/dialog.h"
#include "probe/lookup.h"
#include "probe/tls.h"

namespace kubelet::probe {
namespace {

using base::Task;

constexpr int kMostRequests = 10;
constexpr base::Nanos kLookupWithoutLimit = std::chrono::seconds(30);
constexpr char kTimedOut[] =
    "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";

constexpr char kBodyTimedOut[] =
    "context deadline exceeded (Client.Timeout or context cancellation while reading body)";

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

absl::Status InWords(const absl::Status& status) {
  if (!absl::IsDeadlineExceeded(status)) return status;
  return absl::DeadlineExceededError(kTimedOut);
}

// One request and its answer over one connection.
class Call {
 public:
  Call(HttpDeps deps, Dialog& dialog, Url url)
      : deps_(deps), dialog_(dialog), url_(std::move(url)) {}

  Task<absl::Status> Run(std::string request, base::Nanos timeout) {
    base::Nanos lookup = timeout > base::Nanos(0) ? timeout : kLookupWithoutLimit;
    auto endpoints = co_await Lookup(deps_.names, url_.host, url_.port, lookup);
    if (!endpoints.ok()) co_return endpoints.status();
    absl::Status status = co_await dialog_.Connect(*std::move(endpoints));
    if (status.ok() && url_.https) status = co_await Handshake();
    if (!status.ok()) co_return status;
    if (tls_) {
      tls_->Write(request);
      request = tls_->TakeOutgoing();
    }
    status = co_await dialog_.Send(std::move(request));
    if (!status.ok()) co_return status;
    status = co_await ReadAnswer();
    if (reader_.head_done()) body_error_ = std::exchange(status, absl::OkStatus());
    co_return status;
  }

  const ResponseReader& reader() const { return reader_; }
  const absl::Status& body_error() const { return body_error_; }
  bool met_http() const { return tls_ && tls_->met_http(); }

 private:
  Task<absl::Status> Handshake() {
    tls_.emplace(url_.host);
    for (;;) {
      auto step = tls_->Handshake();
      auto sent = co_await dialog_.Send(tls_->TakeOutgoing());
      if (step == Tls::Step::kDone || !sent.ok()) co_return sent;
      if (step == Tls::Step::kEnded) co_return absl::UnavailableError(tls_->error());
      std::string wire;
      auto got = co_await dialog_.Receive(&wire);
      if (!got.ok()) co_return got.status();
      if (*got == 0) co_return absl::UnavailableError("EOF");
      tls_->Feed(wire);
    }
  }

  Task<absl::Status> ReadAnswer() {
    while (!reader_.done()) {
      std::string wire;
      auto got = co_await dialog_.Receive(&wire);
      if (!got.ok()) co_return got.status();
      absl::Status status = *got == 0 ? reader_.End() : Take(wire);
      if (!status.ok() && !reader_.done()) co_return status;
    }
    co_return absl::OkStatus();
  }

  absl::Status Take(const std::string& wire) {
    if (!tls_) return reader_.Feed(wire);
    tls_->Feed(wire);
    std::string plain;
    auto step = tls_->Read(plain);
    auto status = reader_.Feed(plain);
    if (!status.ok() || step != Tls::Step::kEnded) return status;
    if (!tls_->error().empty()) return absl::UnavailableError(tls_->error());
    return reader_.End();
  }

  HttpDeps deps_;
  Dialog& dialog_;
  Url url_;
  std::optional<Tls> tls_;
  ResponseReader reader_;
  absl::Status body_error_;
};

absl::Status Named(const std::string& url, const absl::Status& status) {
  return base::Annotate(InWords(status), "Get \"" + url + "\"");
}

}  // namespace

Task<HttpAnswer> HttpGet(HttpDeps deps, Url url, Headers headers, std::string user_agent,
                         base::Nanos timeout) {
  HttpAnswer answer;
  Dialog dialog(deps.executor, deps.clock, timeout);
  const std::string first_host = url.host;
  for (int made = 1;; ++made) {
    auto request = MakeGet(url, headers, user_agent);
    if (!request.ok()) {
      answer.error = Named(url.Text(), request.status());
      co_return answer;
    }
    Call call(deps, dialog, url);
    absl::Status status = co_await call.Run(*std::move(request), timeout);
    answer.met_http = call.met_http();
    if (!status.ok()) {
      answer.error = Named(url.Text(), status);
      co_return answer;
    }
    answer.status = call.reader().status();
    answer.body = call.reader().body();
    answer.body_error = call.body_error();
    if (absl::IsDeadlineExceeded(answer.body_error))
      answer.body_error = absl::DeadlineExceededError(kBodyTimedOut);
    const std::string& location = call.reader().location();
    if (!IsRedirect(answer.status) || location.empty()) co_return answer;
    auto next = Follow(url, location);
    if (!next) {
      answer.error =
          Named(location,
                absl::InvalidArgumentError("failed to parse Location header \"" + location + "\""));
      co_return answer;
    }
    if (next->url.host != first_host) co_return answer;
    if (made >= kMostRequests) {
      answer.error = Named(location, absl::UnavailableError("stopped after 10 redirects"));
      co_return answer;
    }
    // A server that names itself wants to be asked by that name.
    if (next->absolute) std::erase_if(headers, [](const auto& h) { return HostHeader({h}) != ""; });
    url = next->url;
  }
}

}  // namespace kubelet::probe
