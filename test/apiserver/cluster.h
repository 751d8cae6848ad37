// A cluster in memory for tests: store, rules, controllers and the HTTP handler without a network,
// on a clock that is turned by hand.
#pragma once

#include <boost/json.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "fakes/api_controllers.h"
#include "fakes/api_errors.h"
#include "fakes/api_handler.h"
#include "fakes/api_registry.h"
#include "k8s/core/v1/config.pb.h"
#include "k8s/core/v1/node.pb.h"
#include "kubelet/api/codec.h"
#include "kubelet/base/status.h"

namespace kubelet::fakes::test {

namespace core = api::core;

// What was answered to one request.
struct Answer : Responder {
  int status = 0;
  Headers headers;
  std::string body;
  bool ended = false, reset = false;
  std::function<void()> closed;

  void Head(int code, Headers head) override {
    status = code;
    headers = std::move(head);
  }
  void Body(std::string chunk) override { body += chunk; }
  void End() override { ended = true; }
  void Reset(uint32_t) override { reset = true; }
  size_t unsent() const override { return 0; }
  bool open() const override { return !ended && !reset; }
  void OnClosed(std::function<void()> callback) override { closed = std::move(callback); }
  std::shared_ptr<RawConnection> Upgrade(Headers) override { return nullptr; }

  boost::json::value json() const { return boost::json::parse(body); }
  std::string Header(const std::string& name) const {
    for (const auto& [key, value] : headers)
      if (key == name) return value;
    return "";
  }
  // Since the last call: `ADDED a 3` for each event of a JSON watch, with the object's name and
  // version.
  std::vector<std::string> Events() {
    std::vector<std::string> events;
    for (size_t end; (end = body.find('\n', read_)) != std::string::npos; read_ = end + 1) {
      auto event = boost::json::parse(body.substr(read_, end - read_));
      const auto& object = event.at("object").as_object();
      std::string text(event.at("type").as_string());
      if (text == "ERROR") {
        events.push_back(text + " " + std::to_string(object.at("code").as_int64()));
        continue;
      }
      const auto& meta = object.at("metadata").as_object();
      if (const auto* name = meta.if_contains("name")) text += " " + std::string(name->as_string());
      if (const auto* notes = meta.if_contains("annotations"))
        for (const auto& note : notes->as_object()) text += " " + std::string(note.key());
      events.push_back(text);
    }
    return events;
  }

 private:
  size_t read_ = 0;
};

struct Cluster {
  base::ManualClock clock;
  ApiStore store{clock, 1};
  ApiRegistry registry{store};
  ApiTokens tokens{store, "key"};
  ApiControllers controllers;
  ApiHandler handler{registry, tokens, clock, {}};
  ApiRegistry::Context admin{{"admin", "", {"system:masters"}}, false};
  ApiRegistry::Context node{{"system:node:n1", "", {"system:nodes"}}, false};

  explicit Cluster(ApiControllers::Options options = {})
      : controllers(registry, clock, std::move(options)) {
    registry.Bootstrap();
  }

  static const ApiKind& Kind(const std::string& plural) {
    for (const ApiKind& kind : ApiKinds())
      if (kind.plural == plural) return kind;
    throw std::runtime_error("no kind " + plural);
  }
  static ApiRegistry::Target At(const std::string& plural, const std::string& name,
                                const std::string& subresource = "") {
    const ApiKind& kind = Kind(plural);
    return {&kind, kind.namespaced ? "default" : "", name, subresource};
  }
  static NewObject Decode(const std::string& plural, const std::string& json) {
    NewObject object = Kind(plural).New();
    absl::Status status = api::DecodeJson(json, *object, {.strict = true});
    if (!status.ok()) throw std::runtime_error(base::Message(status));
    return object;
  }

  absl::StatusOr<ObjectPtr> Create(const std::string& plural, const std::string& json) {
    NewObject object = Decode(plural, json);
    if (Kind(plural).namespaced) MetaOf(*object).set_namespace_("default");
    return registry.Create(admin, std::move(object));
  }
  // A pod of one container, bound to n1 when `bound`.
  absl::StatusOr<ObjectPtr> CreatePod(const std::string& name, bool bound = true) {
    std::string node = bound ? R"("nodeName":"n1",)" : "";
    return Create("pods", R"({"metadata":{"name":")" + name + R"("},"spec":{)" + node +
                              R"("containers":[{"name":"a","image":"b"}]}})");
  }
  std::shared_ptr<const core::Pod> Pod(const std::string& name) {
    return std::static_pointer_cast<const core::Pod>(store.Get(Kind("pods"), "default", name));
  }
  template <typename Message, typename F>
  absl::Status Change(const ApiRegistry::Context& context, const std::string& plural,
                      const std::string& name, const std::string& subresource, F f) {
    auto change = [&](const Object& current) -> absl::StatusOr<NewObject> {
      NewObject next = CopyOf(current);
      f(static_cast<Message&>(*next));
      return next;
    };
    return registry.Update(context, At(plural, name, subresource), "update", change).status();
  }

  std::shared_ptr<Answer> Ask(const std::string& method, const std::string& path,
                              const std::string& body = "",
                              const std::map<std::string, std::string>& headers = {},
                              const std::string& user = "admin",
                              const std::vector<std::string>& groups = {"system:masters"}) {
    HttpRequest http;
    http.method = method;
    http.path = path.substr(0, path.find('?'));
    if (path.size() > http.path.size()) http.query = path.substr(http.path.size() + 1);
    http.headers = headers;
    http.body = body;
    http.peer_name = user;
    http.peer_organizations = groups;
    auto answer = std::make_shared<Answer>();
    handler.Handle(http, ParseApiRequest(http), answer);
    return answer;
  }
};

// The HTTP code of a refusal, 200 for OK.
inline int CodeOf(const absl::Status& status) {
  if (status.ok()) return 200;
  auto error = client::ErrorOf(status);
  return error ? error->code : -1;
}

}  // namespace kubelet::fakes::test
