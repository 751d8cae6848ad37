#include "kubelet/client/http_api.h"

#include "client/request.h"
#include "client/watch_decoder.h"
#include "kubelet/base/status.h"

namespace kubelet::client {

struct HttpApi::State {
  State(Deps deps, ClientConfig config, HttpApiOptions options)
      : pool(std::make_shared<ConnectionPool>(deps, config, options)),
        requester(deps, pool, config, options) {}
  std::shared_ptr<ConnectionPool> pool;
  Requester requester;
};

namespace {

// Until the answer's head: the stream itself has no limit.
constexpr base::Nanos kWatchOpenTimeout = std::chrono::seconds(30);

class HttpWatch : public WatchStream {
 public:
  HttpWatch(Opened opened, const google::protobuf::Message* prototype)
      : exchange_(std::move(opened.exchange)), decoder_(opened.form, prototype) {}

  base::Task<absl::StatusOr<WatchEvent>> Next() override {
    while (end_.ok()) {
      auto event = decoder_.Next();
      if (event.ok() && *event) co_return **std::move(event);
      if (!event.ok()) {
        end_ = event.status();
      } else if (exchange_->failure() && !exchange_->has_data()) {
        end_ = exchange_->failure()->status;
      } else if (exchange_->ended() && !exchange_->has_data()) {
        end_ = decoder_.partial() ? absl::UnavailableError("the watch stream was cut off")
                                  : absl::OutOfRangeError("the server closed the watch");
      } else {
        if (!exchange_->has_data()) co_await exchange_->Wait(std::nullopt);
        decoder_.Feed(exchange_->TakeData());
      }
    }
    exchange_.reset();
    co_return end_;
  }

 private:
  std::unique_ptr<Exchange> exchange_;
  WatchDecoder decoder_;
  absl::Status end_;
};

// A cause of ours gets the request before it; the server's words stay as they are.
absl::Status Named(const absl::Status& status, const Spec& spec, const ConnectionPool& pool) {
  if (status.ok() || ErrorOf(status)) return status;
  return base::Annotate(status,
                        std::string(spec.method) + " " + pool.server().ToString() + spec.path);
}

base::Task<absl::Status> Run(Requester& requester, const Spec& spec, base::MonoTime deadline,
                             bool is_delete, google::protobuf::Message* out) {
  Tries tries;
  for (;;) {
    auto opened = co_await requester.Send(spec, tries, deadline);
    if (!opened.ok()) co_return opened.status();
    auto body = co_await requester.ReadBody(*opened->exchange, deadline);
    if (!body.ok()) {
      const auto& failure = opened->exchange->failure();
      if (failure && Requester::MayRepeat(spec, *failure, tries)) continue;
      co_return body.status();
    }
    if (out == nullptr) co_return absl::OkStatus();
    auto decoded = DecodeBody(opened->form, *body, *out);
    // A deletion answers with the object or with a Status; neither says that it failed.
    if (is_delete && !decoded.ok()) out->Clear();
    if (is_delete) co_return absl::OkStatus();
    co_return decoded;
  }
}

}  // namespace

HttpApi::HttpApi(Deps deps, ClientConfig config, HttpApiOptions options)
    : state_(std::make_shared<State>(deps, std::move(config), std::move(options))) {}

HttpApi::~HttpApi() { state_->pool->Shutdown(); }

void HttpApi::CloseConnections() {
  state_->pool->CloseAll(absl::UnavailableError("the connections were closed"));
}

void HttpApi::CloseStaleConnections() {
  state_->pool->CloseStale(absl::UnavailableError("a heartbeat had no answer"));
}

std::optional<base::MonoTime> HttpApi::last_answer() const { return state_->pool->last_answer(); }

base::Task<absl::Status> HttpApi::DoCall(std::shared_ptr<State> state, Call call,
                                         google::protobuf::Message* out) {
  if (!state->pool->problem().ok()) co_return state->pool->problem();
  auto& requester = state->requester;
  auto start = requester.clock().Mono();
  Spec spec = SpecOf(state->pool->server(), call);
  spec.body = std::move(call.body);
  if (call.verb == Call::Verb::kPatch) {
    spec.patch = std::move(call.patch);
    spec.patch_type = std::move(call.patch_type);
  }
  bool is_delete = call.verb == Call::Verb::kDelete;
  auto done = co_await Run(requester, spec, start + call.timeout, is_delete, out);
  requester.ObserveDuration(spec, requester.clock().Mono() - start);
  co_return Named(done, spec, *state->pool);
}

base::Task<absl::StatusOr<std::unique_ptr<WatchStream>>> HttpApi::OpenWatch(
    std::shared_ptr<State> state, Call call, const google::protobuf::Message* prototype) {
  if (!state->pool->problem().ok()) co_return state->pool->problem();
  auto& requester = state->requester;
  bool asked = false;
  for (const auto& [name, value] : call.query) asked = asked || name == "watch";
  if (!asked) call.query.emplace_back("watch", "true");
  Spec spec = SpecOf(state->pool->server(), call);
  spec.watch = true;
  auto deadline = requester.clock().Mono() + kWatchOpenTimeout;
  Tries tries;
  auto opened = co_await requester.Send(spec, tries, deadline);
  if (!opened.ok()) co_return Named(opened.status(), spec, *state->pool);
  if (opened->form == Form::kOther) {
    co_return absl::UnavailableError("the server's watch is neither JSON nor protobuf");
  }
  std::unique_ptr<WatchStream> stream = std::make_unique<HttpWatch>(*std::move(opened), prototype);
  co_return stream;
}

base::Task<absl::Status> HttpApi::Do(Call call, google::protobuf::Message* out) {
  return DoCall(state_, std::move(call), out);
}

base::Task<absl::StatusOr<std::unique_ptr<WatchStream>>> HttpApi::Watch(
    ObjectPath path, std::vector<std::pair<std::string, std::string>> query,
    const google::protobuf::Message* prototype) {
  Call call;
  call.verb = Call::Verb::kList;
  call.path = std::move(path);
  call.query = std::move(query);
  return OpenWatch(state_, std::move(call), prototype);
}

}  // namespace kubelet::client
