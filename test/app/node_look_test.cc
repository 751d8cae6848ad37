#include "app/node_look.h"

#include <boost/asio/io_context.hpp>
#include <deque>

#include "catch.h"
#include "kubelet/base/promise.h"

namespace kubelet::app {
namespace {

// A server that answers when it is told to.
class Server : public client::Api {
 public:
  explicit Server(base::Executor executor) : executor_(std::move(executor)) {}
  base::Task<absl::Status> Do(client::Call call, google::protobuf::Message* out) override {
    paths.push_back(call.path.Text());
    base::Promise<absl::Status> promise(executor_);
    waiting.push_back(promise);
    auto status = co_await promise.Get();
    if (status.ok()) {
      auto* node = static_cast<api::core::Node*>(out);
      node->mutable_metadata()->set_resource_version(version);
    }
    co_return status;
  }
  base::Task<absl::StatusOr<std::unique_ptr<client::WatchStream>>> Watch(
      client::ObjectPath, std::vector<std::pair<std::string, std::string>>,
      const google::protobuf::Message*) override {
    co_return absl::UnimplementedError("no watches here");
  }
  void Answer(absl::Status status) {
    REQUIRE_FALSE(waiting.empty());
    waiting.front().Set(std::move(status));
    waiting.pop_front();
  }
  std::vector<std::string> paths;
  std::deque<base::Promise<absl::Status>> waiting;
  std::string version = "10";

 private:
  base::Executor executor_;
};

struct Fixture {
  boost::asio::io_context io{1};
  Server server{io.get_executor()};
  std::vector<std::string> wanted = {"a"};
  std::vector<std::string> judged;  // `a?`: in doubt, `a!`: for good
  NodeLook look{io.get_executor(), server, "n1", [this] { Judge(); }};

  void Judge() {
    for (const auto& uid : wanted) judged.push_back(uid + (look.Doubts(uid) ? "?" : "!"));
  }
  void Poll() {
    io.restart();
    io.poll();
  }
};

NodeLook::NodePtr Version(const std::string& version) {
  auto node = std::make_shared<api::core::Node>();
  node->mutable_metadata()->set_resource_version(version);
  return node;
}

TEST_CASE("a pod is refused for the node's labels only when the node was read for it") {
  bool answers = GENERATE(true, false);
  Fixture f;
  f.Judge();
  f.Poll();
  CHECK(f.server.paths == std::vector<std::string>{"/api/v1/nodes/n1"});
  f.Judge();  // for another reason, while the server is asked
  f.server.Answer(answers ? absl::OkStatus() : absl::UnavailableError("away"));
  f.Poll();
  CHECK(f.judged == std::vector<std::string>{"a?", "a?", "a!"});
  CHECK(f.server.paths.size() == 1);
  f.wanted = {"a"};
  f.Judge();  // another pod's life under this uid is a doubt of its own
  f.Poll();
  CHECK(f.judged.back() == "a?");
  CHECK(f.server.paths.size() == 2);
  f.server.Answer(absl::OkStatus());
  f.Poll();
}

TEST_CASE("a pod that comes while the node is read has it read once more") {
  Fixture f;
  f.Judge();
  f.Poll();
  f.wanted = {"b"};
  f.Judge();
  f.server.Answer(absl::OkStatus());
  f.Poll();
  CHECK(f.judged == std::vector<std::string>{"a?", "b?", "b?"});
  f.server.Answer(absl::OkStatus());
  f.Poll();
  CHECK(f.judged.back() == "b!");
  CHECK(f.server.waiting.empty());
}

TEST_CASE("the newer of what was read and what the watch knows counts") {
  Fixture f;
  auto known = Version("9");
  CHECK(f.look.Newest(known) == known);
  CHECK(f.look.Newest(nullptr) == nullptr);
  f.Judge();
  f.Poll();
  f.server.Answer(absl::OkStatus());
  f.Poll();
  CHECK(f.look.Newest(known)->metadata().resource_version() == "10");
  CHECK(f.look.Newest(nullptr) != nullptr);
  auto later = Version("11");
  CHECK(f.look.Newest(later) == later);
}

}  // namespace
}  // namespace kubelet::app
