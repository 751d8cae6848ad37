// The client against a real HTTPS server on loopback: what goes over the wire and what comes back.
#include <zlib.h>

#include "bench.h"
#include "k8s/meta/v1/meta.pb.h"

using namespace kubelet;
using namespace kubelet::client;

namespace {

void ReplyStatus(const fakes::ResponderPtr& responder, int code, const std::string& reason,
                 fakes::Responder::Headers headers = {}) {
  headers.emplace_back("content-type", "application/json");
  responder->Head(code, headers);
  responder->Body("{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"code\":" +
                  std::to_string(code) + ",\"reason\":\"" + reason + "\",\"message\":\"m\"}");
  responder->End();
}

}  // namespace

TEST_CASE("a GET names the object, the forms and the agent, over HTTP/2 with the certificate") {
  HttpBench bench;
  auto pair = NodePair("system:node:n1");
  bench.credentials.presented.cert_pem = pair.certificate;
  bench.credentials.presented.key_pem = pair.key;
  bench.credentials.presented.bearer_token = "secret";
  bench.Start();
  Call call = HttpBench::GetPod("web");
  call.query.emplace_back("resourceVersion", "0 1");
  auto out = bench.Do(call);
  REQUIRE(out.status == absl::OkStatus());
  CHECK(out.pod.metadata().name() == "web");
  REQUIRE(bench.requests.size() == 1);
  const auto& request = bench.requests[0];
  CHECK(request.http2);
  CHECK(request.method == "GET");
  CHECK(request.path == "/api/v1/namespaces/default/pods/web");
  CHECK(request.query == "resourceVersion=0%201");
  CHECK(request.headers.at("accept") == "application/vnd.kubernetes.protobuf,application/json");
  CHECK(request.headers.at("accept-encoding") == "gzip");
  CHECK(request.headers.at("user-agent") == "kubelet/test");
  CHECK(request.headers.at("authorization") == "Bearer secret");
  CHECK(request.headers.at("host") == "127.0.0.1:" + std::to_string(bench.server->port()));
  CHECK(request.peer_name == "system:node:n1");
  CHECK(request.peer_organizations == std::vector<std::string>{"system:nodes"});
  CHECK(bench.api->last_answer());
}

TEST_CASE("who the kubeconfig says to act as is sent with every request") {
  HttpBench bench;
  SECTION("HTTP/2") {}
  SECTION("HTTP/1.1") { bench.server_options.http2 = false; }
  bench.config.headers = {{"Impersonate-User", "jane"},
                          {"Impersonate-Group", "ops"},
                          {"Impersonate-Extra-reason", "test"}};
  bench.Start();
  REQUIRE(bench.Do(HttpBench::GetPod("web")).status == absl::OkStatus());
  Watched watched;
  bench.BeginWatch(watched);
  REQUIRE(bench.RunUntil([&] { return bench.requests.size() == 2; }));
  for (const auto& request : bench.requests) {
    CHECK(request.headers.at("impersonate-user") == "jane");
    CHECK(request.headers.at("impersonate-group") == "ops");
    CHECK(request.headers.at("impersonate-extra-reason") == "test");
  }
}

TEST_CASE("bodies: objects in protobuf, patches in JSON, DeleteOptions with a deletion") {
  HttpBench bench;
  bench.Start();
  auto pod = std::make_shared<api::core::Pod>();
  pod->mutable_metadata()->set_name(std::string(300'000, 'x'));  // beyond the first window
  Call create;
  create.verb = Call::Verb::kCreate;
  create.path = {kPods, "default", "", ""};
  create.body = pod;
  REQUIRE(bench.Do(create).status.ok());
  Call patch = HttpBench::GetPod("web");
  patch.verb = Call::Verb::kPatch;
  patch.path.subresource = "status";
  patch.patch = "{\"status\":{}}";
  REQUIRE(bench.Do(patch).status.ok());
  auto options = std::make_shared<api::meta::DeleteOptions>();
  options->set_grace_period_seconds(0);
  Call remove = HttpBench::GetPod("web");
  remove.verb = Call::Verb::kDelete;
  remove.body = options;
  REQUIRE(bench.Do(remove).status.ok());

  REQUIRE(bench.requests.size() == 3);
  CHECK(bench.requests[0].method == "POST");
  CHECK(bench.requests[0].headers.at("content-type") == "application/vnd.kubernetes.protobuf");
  CHECK(bench.requests[0].body == api::EncodeProtobuf(*pod));
  CHECK(bench.requests[1].method == "PATCH");
  CHECK(bench.requests[1].path == "/api/v1/namespaces/default/pods/web/status");
  CHECK(bench.requests[1].headers.at("content-type") == "application/strategic-merge-patch+json");
  CHECK(bench.requests[1].body == "{\"status\":{}}");
  CHECK(bench.requests[2].method == "DELETE");
  api::meta::DeleteOptions sent;
  REQUIRE(api::DecodeProtobuf(bench.requests[2].body, sent).ok());
  CHECK(sent.grace_period_seconds() == 0);
  CHECK(sent.has_grace_period_seconds());
}

TEST_CASE("20 calls at once share one connection") {
  HttpBench bench;
  std::vector<fakes::ResponderPtr> held;
  bench.handler = [&](const fakes::HttpRequest&, fakes::ResponderPtr responder) {
    held.push_back(std::move(responder));
    if (held.size() < 20) return;
    for (auto& each : held) HttpBench::ReplyPod(each, "x");
  };
  bench.Start();
  std::vector<Outcome> outcomes(20);
  for (auto& outcome : outcomes) bench.Begin(HttpBench::GetPod("x"), outcome);
  REQUIRE(bench.RunUntil([&] {
    for (const auto& outcome : outcomes) {
      if (!outcome.done) return false;
    }
    return true;
  }));
  for (const auto& outcome : outcomes) CHECK(outcome.status == absl::OkStatus());
  CHECK(bench.server->accepted() == 1);
}

TEST_CASE("more requests than the server's streams go over a second connection") {
  HttpBench bench;
  bench.server_options.max_streams = 2;
  std::vector<fakes::ResponderPtr> held;
  bench.handler = [&](const fakes::HttpRequest&, fakes::ResponderPtr responder) {
    held.push_back(std::move(responder));
    if (held.size() == 3) {
      for (auto& each : held) HttpBench::ReplyPod(each, "x");
    }
  };
  bench.Start();
  Outcome outcomes[3];
  bench.Begin(HttpBench::GetPod("x"), outcomes[0]);
  REQUIRE(bench.RunUntil([&] { return held.size() == 1; }));
  bench.Begin(HttpBench::GetPod("x"), outcomes[1]);
  REQUIRE(bench.RunUntil([&] { return held.size() == 2; }));
  bench.Begin(HttpBench::GetPod("x"), outcomes[2]);
  REQUIRE(bench.RunUntil([&] { return outcomes[0].done && outcomes[1].done && outcomes[2].done; }));
  for (const auto& outcome : outcomes) CHECK(outcome.status == absl::OkStatus());
  CHECK(bench.server->accepted() == 2);
}

TEST_CASE("JSON answers are read, and asked for once the server knows no protobuf") {
  HttpBench bench;
  bench.handler = [&](const fakes::HttpRequest& request, fakes::ResponderPtr responder) {
    if (request.headers.at("content-type") != "application/json") {
      ReplyStatus(responder, 415, "UnsupportedMediaType");
    } else {
      responder->Reply(201, "application/json", "{\"metadata\":{\"name\":\"j\"}}");
    }
  };
  bench.Start();
  Call create;
  create.verb = Call::Verb::kCreate;
  create.path = {kPods, "default", "", ""};
  create.body = std::make_shared<api::core::Pod>();
  auto out = bench.Do(create);
  CHECK(out.status == absl::OkStatus());
  CHECK(out.pod.metadata().name() == "j");
  CHECK(bench.requests.size() == 2);
  CHECK(bench.Do(create).status.ok());
  CHECK(bench.requests.size() == 3);  // remembered
  CHECK(bench.requests[2].headers.at("accept") == "application/json");
}

TEST_CASE("a packed answer is unpacked, and none is asked for when compression is off") {
  HttpBench bench;
  bench.handler = [&](const fakes::HttpRequest& request, fakes::ResponderPtr responder) {
    std::string body = "{\"metadata\":{\"name\":\"packed\"}}";
    fakes::Responder::Headers headers{{"content-type", "application/json"}};
    if (request.headers.count("accept-encoding") > 0) {
      std::string out(200, '\0');
      z_stream z{};
      deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
      z.next_in = reinterpret_cast<Bytef*>(body.data());
      z.avail_in = static_cast<uInt>(body.size());
      z.next_out = reinterpret_cast<Bytef*>(out.data());
      z.avail_out = static_cast<uInt>(out.size());
      deflate(&z, Z_FINISH);
      out.resize(z.total_out);
      deflateEnd(&z);
      body = out;
      headers.emplace_back("content-encoding", "gzip");
    }
    responder->Head(200, headers);
    responder->Body(body);
    responder->End();
  };
  SECTION("on") {}
  SECTION("off") { bench.config.disable_compression = true; }
  bool off = bench.config.disable_compression;
  bench.Start();
  auto out = bench.Do(HttpBench::GetPod("web"));
  CHECK(out.status == absl::OkStatus());
  CHECK(out.pod.metadata().name() == "packed");
  CHECK((bench.requests[0].headers.count("accept-encoding") == 0) == off);
}

TEST_CASE("errors of the server carry its words") {
  HttpBench bench;
  bench.handler = [](const fakes::HttpRequest&, fakes::ResponderPtr responder) {
    ReplyStatus(responder, 409, "Conflict");
  };
  bench.Start();
  auto out = bench.Do(HttpBench::GetPod("web"));
  CHECK(out.status.code() == absl::StatusCode::kAborted);
  REQUIRE(ErrorOf(out.status));
  CHECK(ErrorOf(out.status)->reason == "Conflict");
}

TEST_CASE("Retry-After is honoured, up to the deadline and unless the caller declines") {
  HttpBench bench;
  int refusals = 1;
  std::string wait = "1";
  bench.handler = [&](const fakes::HttpRequest&, fakes::ResponderPtr responder) {
    if (refusals-- > 0) {
      ReplyStatus(responder, 429, "TooManyRequests", {{"retry-after", wait}});
    } else {
      HttpBench::ReplyPod(responder, "x");
    }
  };
  bench.Start();
  auto begin = bench.clock.Mono();
  CHECK(bench.Do(HttpBench::GetPod("x")).status == absl::OkStatus());
  CHECK(bench.clock.Mono() - begin >= 1s);
  CHECK(bench.requests.size() == 2);

  refusals = 1;
  wait = "60";
  auto out = bench.Do(HttpBench::GetPod("x"));
  CHECK(out.status.code() == absl::StatusCode::kResourceExhausted);
  CHECK(ErrorOf(out.status)->retry_after == base::Nanos(60s));

  refusals = 1;
  wait = "0";
  Call once = HttpBench::GetPod("x");
  once.retry = false;
  CHECK(bench.Do(once).status.code() == absl::StatusCode::kResourceExhausted);

  refusals = 100;
  bench.requests.clear();
  CHECK(bench.Do(HttpBench::GetPod("x")).status.code() == absl::StatusCode::kResourceExhausted);
  CHECK(bench.requests.size() == 11);  // ten more tries, as client-go
}

TEST_CASE("401 is tried once more when there are other credentials") {
  HttpBench bench;
  bench.credentials.presented.bearer_token = "old";
  bench.credentials.presented.generation = 7;
  bench.handler = [](const fakes::HttpRequest& request, fakes::ResponderPtr responder) {
    if (request.headers.at("authorization") == "Bearer new") {
      HttpBench::ReplyPod(responder, "x");
    } else {
      ReplyStatus(responder, 401, "Unauthorized");
    }
  };
  bench.Start();
  CHECK(bench.Do(HttpBench::GetPod("x")).status.code() == absl::StatusCode::kUnauthenticated);
  CHECK(bench.requests.size() == 1);
  CHECK(bench.credentials.rejected == std::vector<uint64_t>{7});
  bench.credentials.on_rejected = [&] {
    bench.credentials.presented.bearer_token = "new";
    bench.credentials.presented.generation = 8;
  };
  CHECK(bench.Do(HttpBench::GetPod("x")).status == absl::OkStatus());
  CHECK(bench.requests.size() == 3);
  CHECK(bench.server->accepted() == 1);  // a token does not need a new connection
}

TEST_CASE("without credentials a call says what is missing") {
  HttpBench bench;
  bench.credentials.problem = absl::UnavailableError("token file: cannot be read");
  bench.Start();
  auto out = bench.Do(HttpBench::GetPod("x"));
  CHECK(out.status.code() == absl::StatusCode::kUnavailable);
  CHECK(base::Message(out.status).find("token file: cannot be read") != std::string::npos);
}

TEST_CASE("the rate limit holds ordinary calls back, and heartbeats never") {
  HttpBench bench;
  bench.options.qps = 0.001;
  bench.options.burst = 1;
  bench.Start();
  CHECK(bench.Do(HttpBench::GetPod("x")).status == absl::OkStatus());
  Call late = HttpBench::GetPod("x");
  late.timeout = 2s;
  CHECK(bench.Do(late).status.code() == absl::StatusCode::kDeadlineExceeded);
  Call heartbeat = HttpBench::GetPod("x");
  heartbeat.lane = Lane::kHeartbeat;
  CHECK(bench.Do(heartbeat).status == absl::OkStatus());
  Call event = HttpBench::GetPod("x");
  event.lane = Lane::kEvents;
  CHECK(bench.Do(event).status == absl::OkStatus());
}

TEST_CASE("a watch delivers events as they come and ends in good order") {
  HttpBench bench;
  fakes::ResponderPtr responder;
  SECTION("HTTP/2") {}
  SECTION("HTTP/1.1 over TLS") { bench.server_options.http2 = false; }
  SECTION("HTTP/1.1 without TLS") {
    bench.server_options.certificate.clear();
    bench.config.ca_pem.clear();
  }
  bench.handler = [&](const fakes::HttpRequest&, fakes::ResponderPtr r) {
    responder = std::move(r);
    responder->Head(200, {{"content-type", "application/json"}});
  };
  bench.Start();
  Watched watched;
  bench.BeginWatch(watched);
  REQUIRE(bench.RunUntil([&] { return watched.opened; }));
  CHECK(bench.requests[0].query == "allowWatchBookmarks=true&watch=true");
  std::string event = HttpBench::Event("a") + HttpBench::Event("b");
  responder->Body(event.substr(0, 60));
  REQUIRE(bench.RunUntil([&] { return watched.names.size() == 1; }));
  responder->Body(event.substr(60));
  REQUIRE(bench.RunUntil([&] { return watched.names.size() == 2; }));
  CHECK(watched.names == std::vector<std::string>{"a", "b"});
  responder->End();
  REQUIRE(bench.RunUntil([&] { return watched.done; }));
  CHECK(watched.end.code() == absl::StatusCode::kOutOfRange);
  CHECK_FALSE(ErrorOf(watched.end));
}

TEST_CASE("a watch from too long ago says so, at once or later") {
  HttpBench bench;
  bool at_once = GENERATE(true, false);
  bench.handler = [&](const fakes::HttpRequest&, fakes::ResponderPtr responder) {
    if (at_once) return ReplyStatus(responder, 410, "Expired");
    responder->Head(200, {{"content-type", "application/json"}});
    responder->Body(
        "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,"
        "\"reason\":\"Expired\",\"message\":\"too old\"}}\n");
    responder->End();
  };
  bench.Start();
  Watched watched;
  bench.BeginWatch(watched);
  REQUIRE(
      bench.RunUntil([&] { return watched.done || watched.end.code() != absl::StatusCode::kOk; }));
  CHECK(watched.end.code() == absl::StatusCode::kOutOfRange);
  REQUIRE(ErrorOf(watched.end));
  CHECK(ErrorOf(watched.end)->code == 410);
}

TEST_CASE("a reader that is behind holds the server back, and other calls go on") {
  HttpBench bench;
  SECTION("HTTP/2") {}
  SECTION("HTTP/1.1") { bench.server_options.http2 = false; }
  fakes::ResponderPtr responder;
  bench.handler = [&](const fakes::HttpRequest& request, fakes::ResponderPtr r) {
    if (request.query.find("watch=true") == std::string::npos) return HttpBench::ReplyPod(r, "x");
    responder = std::move(r);
    responder->Head(200, {{"content-type", "application/json"}});
    for (int i = 0; i < 4000; ++i) responder->Body(HttpBench::Event(std::string(1000, 'n')));
  };
  bench.Start();
  struct Opener {
    static base::Task<void> Run(HttpApi& api, std::unique_ptr<WatchStream>* out) {
      ObjectPath path;
      std::vector<std::pair<std::string, std::string>> query;
      auto stream = co_await api.Watch(std::move(path), std::move(query),
                                       &api::core::Pod::default_instance());
      *out = *std::move(stream);
    }
    static base::Task<void> Read(WatchStream& stream, int* count) {
      for (;;) {
        auto event = co_await stream.Next();
        if (!event.ok()) co_return;
        ++*count;
      }
    }
  };
  std::unique_ptr<WatchStream> stream;
  bench.scope->Spawn("open", Opener::Run(*bench.api, &stream));
  REQUIRE(bench.RunUntil([&] { return stream != nullptr; }));
  for (int i = 0; i < 5; ++i) CHECK(bench.Do(HttpBench::GetPod("x")).status == absl::OkStatus());
  if (bench.requests[0].http2) {
    CHECK(responder->unsent() > 4'000'000 - 600'000);
    CHECK(bench.server->accepted() == 1);
  }
  int count = 0;
  bench.scope->Spawn("read", Opener::Read(*stream, &count));
  CHECK(bench.RunUntil([&] { return count == 4000; }));
}

TEST_CASE("a stream that is given up is reset") {
  HttpBench bench;
  SECTION("HTTP/2") {}
  SECTION("HTTP/1.1") { bench.server_options.http2 = false; }
  bool closed = false;
  fakes::ResponderPtr responder;
  bench.handler = [&](const fakes::HttpRequest&, fakes::ResponderPtr r) {
    responder = std::move(r);
    responder->Head(200, {{"content-type", "application/json"}});
    responder->OnClosed([&] { closed = true; });
  };
  bench.Start();
  Watched watched;
  bench.BeginWatch(watched);
  REQUIRE(bench.RunUntil([&] { return watched.opened; }));
  bench.scope = std::make_unique<base::TaskScope>(bench.io.get_executor());  // cancels the reader
  watched.stream.reset();
  CHECK(bench.RunUntil([&] { return closed; }));
}

TEST_CASE("HTTP/1.1: a connection per request in flight, kept for the next") {
  HttpBench bench;
  bench.server_options.http2 = false;
  std::vector<fakes::ResponderPtr> held;
  size_t hold = 3;
  bench.handler = [&](const fakes::HttpRequest&, fakes::ResponderPtr responder) {
    held.push_back(std::move(responder));
    if (held.size() < hold) return;
    for (auto& each : held) HttpBench::ReplyPod(each, "x");
    held.clear();
  };
  bench.Start();
  Outcome outcomes[3];
  for (auto& outcome : outcomes) bench.Begin(HttpBench::GetPod("x"), outcome);
  REQUIRE(bench.RunUntil([&] { return outcomes[0].done && outcomes[1].done && outcomes[2].done; }));
  for (const auto& outcome : outcomes) CHECK(outcome.status == absl::OkStatus());
  CHECK(bench.server->accepted() == 3);
  hold = 1;
  for (int i = 0; i < 5; ++i) CHECK(bench.Do(HttpBench::GetPod("x")).status == absl::OkStatus());
  CHECK(bench.server->accepted() == 3);
  CHECK_FALSE(bench.requests.back().http2);
}

TEST_CASE("requests are counted as upstream counts them") {
  HttpBench bench;
  bench.Start();
  bench.Do(HttpBench::GetPod("x"));
  std::string host = "127.0.0.1:" + std::to_string(bench.server->port());
  auto text = bench.metrics.Render();
  CHECK(text.find("rest_client_requests_total{code=\"200\",method=\"GET\",host=\"" + host +
                  "\"} 1") != std::string::npos);
  CHECK(text.find("rest_client_request_duration_seconds_count{verb=\"GET\",host=\"" + host +
                  "\"} 1") != std::string::npos);
}
