#include "conformance/node.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <random>

#include "conformance/node_files.h"
#include "kubelet/base/status.h"

namespace kubelet::conformance {
namespace {

namespace fs = std::filesystem;

// Members of `over` win; objects are merged.
void Merge(JsonObject& into, const JsonObject& over) {
  for (const auto& member : over) {
    Json* there = into.if_contains(member.key());
    if (there != nullptr && there->is_object() && member.value().is_object()) {
      Merge(there->as_object(), member.value().as_object());
    } else {
      into[member.key()] = member.value();
    }
  }
}

}  // namespace

uint16_t FreePort() {
  static std::minstd_rand random(static_cast<unsigned>(getpid()));
  for (int tries = 0; tries < 1000; ++tries) {
    auto port = static_cast<uint16_t>(20000 + random() % 12000);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool is_free = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    close(fd);
    if (is_free) return port;
  }
  return 0;
}

std::string TailOf(const std::string& path, size_t lines) {
  std::ifstream in(path);
  std::deque<std::string> tail;
  for (std::string line; std::getline(in, line);) {
    tail.push_back(line);
    if (tail.size() > lines) tail.pop_front();
  }
  std::string out;
  for (const std::string& line : tail) out += line + "\n";
  return out;
}

Node::Node(HttpClient::Deps deps, Options options)
    : deps_(deps),
      options_(std::move(options)),
      https_(FreePort()),
      healthz_(FreePort()),
      readonly_(FreePort()) {}

Node::~Node() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

absl::Status Node::Prepare() {
  std::error_code ec;
  for (const std::string& dir : {root(), logs(), manifests(), options_.dir + "/plugins"}) {
    fs::create_directories(dir, ec);
    if (ec) return base::ErrnoStatus(ec.value(), "mkdir " + dir);
  }
  // Where some kubelets leave directories whatever they are told; only what was not there is ours.
  for (const char* dir : {"/var/lib/kubelet/device-plugins", "/var/lib/kubelet",
                          "/var/log/containers", "/var/log/pods"})
    if (!fs::exists(dir, ec)) made_.push_back(dir);
  std::ofstream(options_.dir + "/resolv.conf")
      << "nameserver 192.0.2.53\nsearch host.example\noptions ndots:2\n";
  tuned_ = os::TuneKernel(os::TunableMode::kCheck);
  return options_.groups.Make();
}

Json Node::Config() const {
  JsonObject x509{{"clientCAFile", options_.client_ca}};
  JsonObject authentication{{"x509", x509}};
  return JsonObject{{"apiVersion", "kubelet.config.k8s.io/v1beta1"},
                    {"kind", "KubeletConfiguration"},
                    {"staticPodPath", manifests()},
                    {"podLogsDir", logs()},
                    {"containerRuntimeEndpoint", options_.endpoint},
                    {"address", "127.0.0.1"},
                    {"port", https_},
                    {"healthzPort", healthz_},
                    {"readOnlyPort", readonly_},
                    {"authentication", authentication},
                    {"cgroupDriver", options_.groups.driver()},
                    {"cgroupRoot", options_.groups.root()},
                    {"failCgroupV1", false},
                    {"failSwapOn", false},
                    {"makeIPTablesUtilChains", false},
                    {"evictionHard", JsonObject()},
                    {"resolvConf", options_.dir + "/resolv.conf"},
                    {"clusterDomain", "cluster.local"},
                    {"clusterDNS", JsonArray{"192.0.2.10"}},
                    {"volumePluginDir", options_.dir + "/plugins"},
                    {"enableControllerAttachDetach", false},
                    {"serializeImagePulls", false},
                    // Images of this machine are no business of ours, however full its disk is.
                    {"imageGCHighThresholdPercent", 100},
                    {"registryPullQPS", 0},
                    // Not 0: what the Go kubelet makes of that is its client's default, 5.
                    {"eventRecordQPS", 500},
                    {"eventBurst", 1000},
                    {"kubeAPIQPS", 200},
                    {"kubeAPIBurst", 400},
                    {"maxPods", 500},
                    {"syncFrequency", "10s"},
                    {"fileCheckFrequency", "2s"}};
}

absl::Status Node::Spawn() {
  std::vector<std::string> words{options_.kubelet,
                                 "--config=" + options_.dir + "/config.yaml",
                                 "--kubeconfig=" + options_.kubeconfig,
                                 "--root-dir=" + root(),
                                 "--cert-dir=" + options_.dir + "/pki",
                                 "--hostname-override=" + options_.name,
                                 "--v=" + std::to_string(options_.verbosity)};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int log = open(log_file().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) return base::ErrnoStatus(errno, "open " + log_file());
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    dup2(log, 1);
    dup2(log, 2);
    // What we listen on stays ours: the API server could not come back to its port otherwise.
    close_range(3, ~0U, 0);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(log);
  if (pid_ < 0) return base::ErrnoStatus(errno, "fork");
  return absl::OkStatus();
}

bool Node::Reap() {
  if (pid_ <= 0) return true;
  if (waitpid(pid_, &exit_status_, WNOHANG) != pid_) return false;
  pid_ = -1;
  return true;
}

base::Task<absl::Status> Node::Start(Json overrides) {
  Json config = Config();
  if (overrides.is_object()) Merge(config.as_object(), overrides.as_object());
  std::ofstream(options_.dir + "/config.yaml") << boost::json::serialize(config) << "\n";
  absl::Status spawned = Spawn();
  if (!spawned.ok()) co_return spawned;
  HttpClient health(deps_, "http://127.0.0.1:" + std::to_string(healthz_), nullptr);
  auto end = deps_.clock.Mono() + std::chrono::minutes(1);
  while (deps_.clock.Mono() < end) {
    if (Reap())
      co_return absl::UnavailableError("the kubelet ended; the end of its log:\n" +
                                       TailOf(log_file(), 20));
    auto answer = co_await health.Get("/healthz", "GET", std::chrono::seconds(5));
    if (answer.ok() && answer->status == 200) co_return absl::OkStatus();
    co_await base::SleepFor(deps_.clock, std::chrono::milliseconds(50));
  }
  co_return absl::UnavailableError("the kubelet is not healthy after a minute");
}

base::Task<absl::Status> Node::Stop(int signal) {
  if (pid_ <= 0) co_return absl::OkStatus();
  kill(pid_, signal);
  auto end = deps_.clock.Mono() + std::chrono::seconds(30);
  bool killed = signal == SIGKILL;
  while (!Reap()) {
    if (!killed && deps_.clock.Mono() > end) {
      kill(pid_, SIGKILL);
      killed = true;
    }
    co_await base::SleepFor(deps_.clock, std::chrono::milliseconds(20));
  }
  if (killed && signal != SIGKILL)
    co_return absl::DeadlineExceededError("the kubelet did not end for half a minute");
  co_return absl::OkStatus();
}

absl::Status Node::CleanUp() {
  UnmountBelow(options_.dir);
  std::error_code ec;
  RemoveLinksInto("/var/log/containers", logs());
  fs::remove_all(options_.dir, ec);
  absl::Status status;
  if (ec) status = base::ErrnoStatus(ec.value(), "remove " + options_.dir);
  // Only empty ones: somebody else may have come to use them meanwhile.
  for (const std::string& dir : made_) {
    for (const char* file : {"/kubelet.sock", "/kubelet_internal_checkpoint"})
      if (dir == made_.front()) fs::remove(dir + file, ec);
    rmdir(dir.c_str());
  }
  // A kubelet sets them and leaves them so.
  for (const auto& tunable : tuned_) {
    std::string file = tunable.name;
    std::replace(file.begin(), file.end(), '.', '/');
    if (absl::IsFailedPrecondition(tunable.status))
      std::ofstream("/proc/sys/" + file) << tunable.before;
  }
  absl::Status groups = options_.groups.Remove();
  return status.ok() ? groups : status;
}

}  // namespace kubelet::conformance
