#include "conformance/runner.h"

#include <signal.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <filesystem>
#include <fstream>
#include <optional>

#include "await.h"
#include "conformance/case_run.h"
#include "conformance/guard.h"
#include "conformance/room.h"
#include "kubelet/base/process.h"
#include "kubelet/base/status.h"
#include "kubelet/cri/container_runtime.h"
#include "kubelet/cri/image_service.h"

namespace kubelet::conformance {
namespace {

namespace fs = std::filesystem;
constexpr base::Nanos kCollected = std::chrono::seconds(150);

// Owns what World refers to.
class Run {
 public:
  Run(boost::asio::io_context& io, const RunOptions& options, const std::vector<Case>& cases,
      const Progress& progress, RunResult& result)
      : options_(options),
        cases_(cases),
        progress_(progress),
        result_(result),
        clock_(io),
        pool_(io.get_executor(), clock_, base::BlockingPool::Options()),
        last_(io),
        deps_{io.get_executor(), clock_, pool_},
        hooks_(io.get_executor(), clock_) {}

  base::Task<absl::Status> All();
  void Interrupt() { interrupted_ = true; }
  const base::BlockingPool& pool() const { return pool_; }

 private:
  absl::Status Open();
  base::Task<absl::Status> AskRuntime();
  absl::Status OpenCluster();
  absl::Status OpenNode();
  base::Task<absl::Status> Describe();
  base::Task<void> Cases();
  base::Task<void> One(const Case& test, int number, CaseResult& into);
  base::Task<void> Guarded(const Case& test, int number, CaseResult& into, base::Semaphore& places,
                           Room& room);
  base::Task<int64_t> MilliCpusOfNode();
  base::Task<absl::Status> TakeDown();
  base::Task<absl::Status> RemovePods();
  base::Task<void> RemoveImages();

  const RunOptions& options_;
  const std::vector<Case>& cases_;
  const Progress& progress_;
  RunResult& result_;
  base::RealClock clock_;
  base::BlockingPool pool_;
  test::LastTurns last_;
  HttpClient::Deps deps_;
  Hooks hooks_;
  std::string name_, prefix_, handler_;
  runtime::CgroupDriver driver_ = runtime::CgroupDriver::kCgroupfs;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<cri::CriConnection> connection_;
  std::unique_ptr<cri::GrpcContainerRuntime> runtime_;
  std::unique_ptr<cri::GrpcImageService> images_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<HttpClient> port_;
  std::unique_ptr<Observer> observer_;
  std::optional<World> world_;
  size_t done_ = 0;
  base::MonoTime end_{};
  bool interrupted_ = false;
};

absl::Status Run::Open() {
  name_ = "conformance-" + std::to_string(getpid());
  prefix_ = name_ + "-";
  std::error_code ec;
  fs::create_directories(options_.work_dir, ec);
  if (ec) return base::ErrnoStatus(ec.value(), "mkdir " + options_.work_dir);
  auto image = options_.image_tar.empty() ? ImageOfBusybox(options_.busybox)
                                          : ImageOfTar(options_.image_tar);
  if (!image.ok()) return image.status();
  registry_ = std::make_unique<Registry>(deps_.executor, *std::move(image));
  cri::Options cri_options;
  cri_options.endpoint = options_.endpoint;
  auto connection = cri::CriConnection::Create(deps_.executor, clock_, std::move(cri_options));
  if (!connection.ok()) return connection.status();
  connection_ = *std::move(connection);
  runtime_ = std::make_unique<cri::GrpcContainerRuntime>(*connection_);
  images_ = std::make_unique<cri::GrpcImageService>(*connection_);
  return absl::OkStatus();
}

// What the kubelet's configuration depends on, and whether there may be a kubelet at all.
base::Task<absl::Status> Run::AskRuntime() {
  auto version = co_await runtime_->Version();
  if (!version.ok())
    co_return base::Annotate(version.status(), "container runtime at " + options_.endpoint);
  result_.runtime = version->runtime_name + " " + version->runtime_version;
  auto status = co_await runtime_->Status();
  if (!status.ok()) co_return base::Annotate(status.status(), "status of the container runtime");
  for (const auto& handler : status->handlers)
    if (handler_.empty()) handler_ = handler.name;  // the default one has no name
  if (options_.kubelet.empty()) co_return absl::OkStatus();
  auto found = co_await runtime_->ListPodSandbox("");
  if (!found.ok()) co_return base::Annotate(found.status(), "pods of the container runtime");
  absl::Status unused = CheckUnused(*found);
  if (!unused.ok() && !options_.end_other_pods) co_return unused;
  auto driver = co_await runtime_->RuntimeConfig();
  if (driver.ok()) {
    driver_ = *driver;
  } else if (!absl::IsUnimplemented(driver.status())) {
    // Kubelets go by their configuration only when the runtime cannot tell.
    co_return base::Annotate(driver.status(), "cgroup driver of the container runtime");
  }
  co_return absl::OkStatus();
}

absl::Status Run::OpenCluster() {
  std::error_code ec;
  std::string node_name = options_.kubeconfig.empty() ? name_ : options_.node;
  Cluster::Options cluster{options_.work_dir + "/api", node_name, options_.kubeconfig, FreePort()};
  if (options_.kubeconfig.empty()) fs::create_directories(cluster.dir, ec);
  auto opened = Cluster::Open({deps_.executor, clock_, pool_}, cluster);
  if (!opened.ok()) return base::Annotate(opened.status(), "API server");
  cluster_ = *std::move(opened);
  if (options_.kubeconfig.empty()) {
    RETURN_IF_ERROR(OpenNode());
  } else {
    port_ = std::make_unique<HttpClient>(
        deps_, cluster_->config().server + "/api/v1/nodes/" + node_name + "/proxy",
        &cluster_->credentials());
  }
  client::Reflector::Deps reflect{deps_.executor, clock_, cluster_->api()};
  observer_ = std::make_unique<Observer>(reflect, node_name, prefix_);
  world_.emplace(World{deps_, *cluster_, *observer_, node_.get(), *port_, *runtime_, *images_,
                       *registry_, hooks_, node_name, prefix_, options_.work_dir, handler_,
                       options_.patience});
  return absl::OkStatus();
}

absl::Status Run::OpenNode() {
  Node::Options node;
  node.kubelet = options_.kubelet;
  node.endpoint = options_.endpoint;
  node.dir = options_.work_dir;
  node.name = name_;
  node.kubeconfig = options_.work_dir + "/api/kubelet.conf";
  node.client_ca = options_.work_dir + "/api/pki/ca.crt";
  node.groups = RunGroups(driver_, name_);
  node.verbosity = options_.verbosity;
  node_ = std::make_unique<Node>(deps_, node);
  RETURN_IF_ERROR(node_->Prepare());
  port_ = std::make_unique<HttpClient>(
      deps_, "https://127.0.0.1:" + std::to_string(node_->https_port()), &cluster_->credentials());
  return absl::OkStatus();
}

base::Task<absl::Status> Run::Describe() {
  result_.started = base::Rfc3339(clock_.Now());
  result_.kubelet = options_.kubelet.empty() ? "node " + options_.node : options_.kubelet;
  if (options_.kubelet.empty()) {
    auto node = co_await cluster_->Get("nodes", "", options_.node);
    if (!node.ok()) co_return base::Annotate(node.status(), "node " + options_.node);
    const Json* told = Find(*node, "status.nodeInfo.kubeletVersion");
    if (told != nullptr) result_.version = "Kubernetes " + TextOf(*told);
    co_return absl::OkStatus();
  }
  auto said = base::RunProcess(options_.kubelet, {"--version"}, {}, std::chrono::seconds(20));
  if (!said.ok()) co_return said.status();
  result_.version = said->out.substr(0, said->out.find('\n'));
  co_return absl::OkStatus();
}

base::Task<absl::Status> Run::All() {
  base::MonoTime begun = clock_.Mono();
  end_ = begun + std::chrono::duration_cast<base::Nanos>(options_.time_limit * options_.patience);
  absl::Status status = Open();
  if (status.ok()) status = co_await AskRuntime();
  if (status.ok()) status = OpenCluster();
  if (status.ok()) status = co_await Describe();
  if (status.ok()) {
    observer_->Start();
    if (node_) status = co_await node_->Start();
  }
  if (status.ok()) co_await Cases();
  if (status.ok() && interrupted_) status = absl::CancelledError("interrupted");
  absl::Status down = co_await TakeDown();
  result_.seconds = std::chrono::duration<double>(clock_.Mono() - begun).count();
  co_return status.ok() ? down : status;
}

base::Task<void> Run::One(const Case& test, int number, CaseResult& into) {
  into.name = test.name;
  into.requirement = test.requirement;
  into.field = test.field;
  into.difference = test.difference;
  base::MonoTime begun = clock_.Mono();
  absl::Status status = absl::UnimplementedError("interrupted");
  if (begun > end_) {
    status = absl::DeadlineExceededError("not begun: the time of the run is over");
  } else if (!interrupted_) {
    CaseRun run(*world_, test, number);
    try {
      status = co_await run.Run();
    } catch (const std::exception& error) {
      status = absl::InternalError(std::string("the runner failed: ") + error.what());
    }
  }
  into.seconds = std::chrono::duration<double>(clock_.Mono() - begun).count();
  into.message = base::Message(status);
  into.outcome = status.ok()                     ? Outcome::kPassed
                 : absl::IsUnimplemented(status) ? Outcome::kSkipped
                                                 : Outcome::kFailed;
  if (into.outcome == Outcome::kFailed && !test.difference.empty() && !result_.Own())
    into.outcome = Outcome::kKnown;
  progress_(into, ++done_, cases_.size());
}

base::Task<void> Run::Guarded(const Case& test, int number, CaseResult& into,
                              base::Semaphore& places, Room& room) {
  auto place = co_await places.Acquire();
  int64_t milli = MilliCpusOf(test);
  co_await room.Take(milli);
  co_await One(test, number, into);
  place.Release();
  // A kubelet counts a pod until it is gone.
  base::MonoTime patience = clock_.Mono() + kCollected;
  while (milli > 0 && observer_->HasPods(prefix_ + std::to_string(number)) &&
         clock_.Mono() < patience)
    co_await base::SleepFor(clock_, std::chrono::milliseconds(200));
  room.Return(milli);
}

// What others' pods have of a node that was there before is not counted.
base::Task<int64_t> Run::MilliCpusOfNode() {
  auto node = co_await cluster_->Get("nodes", "", world_->node_name);
  const Json* told = node.ok() ? Find(*node, "status.allocatable.cpu") : nullptr;
  auto cpus = told != nullptr ? api::Quantity::Parse(TextOf(*told)) : api::Quantity::FromInt(1);
  co_return cpus.ok() ? cpus->MilliValue() : 1000;
}

base::Task<void> Run::Cases() {
  result_.cases.resize(cases_.size());
  base::Semaphore places(deps_.executor, clock_, options_.parallel);
  Room room(deps_.executor, clock_, co_await MilliCpusOfNode());
  {
    base::TaskScope tasks(deps_.executor);
    for (size_t i = 0; i < cases_.size(); ++i)
      if (!cases_[i].serial)
        tasks.Spawn(cases_[i].name,
                    Guarded(cases_[i], static_cast<int>(i), result_.cases[i], places, room));
    co_await tasks.Join();
  }
  for (size_t i = 0; i < cases_.size(); ++i) {
    if (!cases_[i].serial) continue;
    co_await One(cases_[i], static_cast<int>(i), result_.cases[i]);
  }
}

// A kubelet takes away what was deleted; what is left of it after that is taken away by us and
// told. Upstream does so once a minute, counted from its start, and what had not ended by then in
// the next round.
base::Task<absl::Status> Run::RemovePods() {
  std::string left;
  base::MonoTime patience = clock_.Mono() + kCollected;
  while (true) {
    left.clear();
    auto all = co_await runtime_->ListPodSandbox("");
    if (!all.ok()) co_return all.status();
    bool out_of_time = clock_.Mono() > patience || (node_ && !node_->running());
    for (const auto& sandbox : *all) {
      if (sandbox.namespace_.rfind(prefix_, 0) != 0) continue;
      left += " " + sandbox.namespace_ + "/" + sandbox.name;
      if (!out_of_time) continue;
      co_await runtime_->StopPodSandbox(sandbox.id);
      co_await runtime_->RemovePodSandbox(sandbox.id);
    }
    if (left.empty()) co_return absl::OkStatus();
    if (out_of_time) co_return absl::InternalError("the kubelet left pods behind:" + left);
    co_await base::SleepFor(clock_, std::chrono::milliseconds(200));
  }
}

base::Task<void> Run::RemoveImages() {
  auto all = co_await images_->ListImages();
  if (!all.ok()) co_return;
  for (const auto& image : *all) {
    bool ours = false;
    for (const auto* names : {&image.repo_tags, &image.repo_digests})
      for (const std::string& name : *names) ours = ours || name.rfind(registry_->host(), 0) == 0;
    if (ours) co_await images_->RemoveImage(image.id);
  }
}

base::Task<absl::Status> Run::TakeDown() {
  absl::Status status;
  if (runtime_) status = co_await RemovePods();
  if (observer_) co_await observer_->Stop();
  if (node_) {
    absl::Status stopped = co_await node_->Stop(SIGTERM);
    if (status.ok()) status = stopped;
    // Without its kubelet nothing comes back.
    absl::Status again = co_await RemovePods();
    if (status.ok()) status = again;
  }
  if (runtime_) co_await RemoveImages();
  if (cluster_ && cluster_->own() == nullptr)
    for (size_t i = 0; i < cases_.size(); ++i)
      co_await cluster_->Delete("namespaces", "", prefix_ + std::to_string(i));
  std::error_code ec;
  if (node_ && !options_.kubelet_log.empty())
    fs::copy_file(node_->log_file(), options_.kubelet_log, fs::copy_options::overwrite_existing,
                  ec);
  if (node_) {
    absl::Status cleaned = node_->CleanUp();
    if (status.ok()) status = cleaned;
  }
  fs::remove_all(options_.work_dir, ec);
  co_return status;
}

}  // namespace

absl::Status RunCases(const RunOptions& options, const std::vector<Case>& cases,
                      const Progress& progress, RunResult& result) {
  boost::asio::io_context io(1);
  absl::Status status;
  {
    Run run(io, options, cases, progress, result);
    boost::asio::signal_set signals(io, SIGINT, SIGTERM);
    signals.async_wait([&run](const boost::system::error_code& ec, int) {
      if (!ec) run.Interrupt();
    });
    base::TaskScope scope(io.get_executor());
    auto whole = [](Run& what, absl::Status& into,
                    boost::asio::io_context& loop) -> base::Task<void> {
      try {
        into = co_await what.All();
      } catch (const std::exception& error) {
        into = absl::InternalError(error.what());
      }
      loop.stop();
    };
    scope.Spawn("run", whole(run, status, io));
    io.run();
    test::Settle(io, run.pool());
  }
  return status;
}

}  // namespace kubelet::conformance
