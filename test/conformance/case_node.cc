// The steps of a case that act on the machine: manifests, the kubelet's process, the API server.
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "conformance/case_run.h"
#include "kubelet/base/status.h"

namespace kubelet::conformance {

namespace fs = std::filesystem;

base::Task<absl::Status> CaseRun::NodeStep(std::string verb, Json arguments, bool& done) {
  done = true;
  JsonObject object = arguments.is_object() ? arguments.as_object() : JsonObject();
  std::string word = arguments.is_object() ? "" : TextOf(arguments);
  if (world_.node == nullptr) co_return absl::UnimplementedError("needs the kubelet to be ours");
  if (verb == "static") co_return WriteStatic(std::move(arguments));
  if (verb == "manifest") co_return WriteManifest(Text(object, "file"), Text(object, "text"));
  if (verb == "unmanifest") {
    std::string file = files_.count(word) != 0 ? word : ns_ + "-" + word + ".yaml";
    files_.erase(file);
    fs::remove(world_.node->manifests() + "/" + file);
    co_return absl::OkStatus();
  }
  if (verb == "kubelet") {
    auto status = co_await Kubelet(word);
    co_return status;
  }
  if (verb == "configure") {
    configured_ = true;
    absl::Status stopped = co_await world_.node->Stop(SIGTERM);
    if (!stopped.ok()) co_return stopped;
    auto status = co_await world_.node->Start(std::move(arguments));
    co_return status;
  }
  if (verb == "api") {
    if (world_.cluster.own() == nullptr)
      co_return absl::UnimplementedError("no API server of ours");
    if (word == "start") {
      auto status = co_await StartApi();
      co_return status;
    }
    auto& http = world_.cluster.own()->http();
    api_stopped_ = true;
    http.StopAccepting();
    http.DropConnections();
    co_return absl::OkStatus();
  }
  done = false;
  co_return absl::OkStatus();
}

absl::Status CaseRun::WriteStatic(Json given) {
  std::string name = given.is_object() ? Text(given.as_object(), "name", "p") : "p";
  std::string mirror = name + "-" + world_.node_name;
  aliases_[name] = mirror;
  if (main_pod_.empty()) main_pod_ = mirror;
  pods_.insert(mirror);
  PodContext context{name, ns_, world_.node_name, vars_["IMAGE"], case_dir_, true};
  return WriteManifest(ns_ + "-" + name + ".yaml",
                       boost::json::serialize(ExpandPod(given, context)));
}

// A kubelet reads a whole file or none.
absl::Status CaseRun::WriteManifest(const std::string& file, const std::string& text) {
  files_.insert(file);
  std::string temporary = world_.node->options().dir + "/new-" + ns_;
  std::ofstream(temporary) << text;
  std::error_code ec;
  fs::rename(temporary, world_.node->manifests() + "/" + file, ec);
  return ec ? base::ErrnoStatus(ec.value(), "write manifest " + file) : absl::OkStatus();
}

// The port may be taken for a moment: by a client that dialled it and met itself.
base::Task<absl::Status> CaseRun::StartApi() {
  absl::Status status;
  for (int tries = 0; tries < 50; ++tries) {
    try {
      world_.cluster.own()->http().Accept();
      api_stopped_ = false;
      co_return absl::OkStatus();
    } catch (const std::exception& error) {
      world_.cluster.own()->http().StopAccepting();
      status = absl::UnavailableError(std::string("API server: ") + error.what());
    }
    co_await base::SleepFor(world_.deps.clock, std::chrono::milliseconds(200));
  }
  co_return status;
}

base::Task<absl::Status> CaseRun::Kubelet(std::string what) {
  Node& node = *world_.node;
  if (what != "start") {
    absl::Status stopped = co_await node.Stop(what == "kill" ? SIGKILL : SIGTERM);
    if (!stopped.ok() || what == "stop") co_return stopped;
  }
  auto started = co_await node.Start();
  co_return started;
}

base::Task<absl::Status> CaseRun::CleanUp() {
  absl::Status status;
  if (api_stopped_) status = co_await StartApi();
  if (world_.node != nullptr) {
    std::error_code ec;
    for (const std::string& file : files_) fs::remove(world_.node->manifests() + "/" + file, ec);
    if (configured_) status = co_await world_.node->Stop(SIGTERM);
    if (!world_.node->running()) status = co_await world_.node->Start();
  }
  for (const std::string& pod : pods_) {
    absl::Status deleted = co_await world_.cluster.Delete("pods", ns_, pod, 1);
    if (status.ok()) status = deleted;
  }
  for (const auto& [plural, name] : cluster_objects_) {
    absl::Status deleted = co_await world_.cluster.Delete(plural, "", name);
    if (status.ok()) status = deleted;
  }
  // Serial cases leave a quiet node behind them.
  if (case_.serial && status.ok()) {
    std::vector<std::string> gone;
    for (const std::string& pod : pods_) gone.push_back(pod + "/gone");
    auto limit =
        std::chrono::duration_cast<base::Nanos>(std::chrono::seconds(30) * world_.patience);
    status = co_await Await(std::move(gone), limit);
  }
  co_return base::Annotate(status, "clean up");
}

}  // namespace kubelet::conformance
