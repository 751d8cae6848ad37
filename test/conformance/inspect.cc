#include "conformance/inspect.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>

#include "fakes/device_plugin.h"
#include "kubelet/api/time.h"
#include "kubelet/base/status.h"

namespace kubelet::conformance {
namespace {

namespace fs = std::filesystem;

// First word, and what comes behind it.
std::pair<std::string, std::string> Cut(const std::string& text) {
  size_t blank = text.find(' ');
  if (blank == std::string::npos) return {text, ""};
  return {text.substr(0, blank), text.substr(blank + 1)};
}

std::string Chomped(std::string text) {
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string Label(const runtime::StringMap& labels, const std::string& name) {
  auto found = labels.find("io.kubernetes." + name);
  return found == labels.end() ? "" : found->second;
}

// The pod's group comes before those in it.
std::optional<fs::path> FindGroup(const std::string& top, const std::string& what) {
  std::error_code ec;
  for (auto it = fs::recursive_directory_iterator(top, ec);
       !ec && it != fs::recursive_directory_iterator(); it.increment(ec))
    if (IsGroupOf(it->path().filename(), what)) return it->path();
  return std::nullopt;
}

}  // namespace

std::optional<std::string> HostFile(const std::string& path) {
  std::error_code ec;
  if (fs::is_directory(path, ec)) return "directory";
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return Chomped(text);
}

Inspector::Inspector(World& world, std::string ns, std::string case_dir)
    : world_(world), ns_(std::move(ns)), case_dir_(std::move(case_dir)) {}

void Inspector::Mark(const std::string& name) { marks_[name] = world_.deps.clock.Mono(); }

const PodHistory& Inspector::History(const std::string& pod) const {
  return world_.observer.Pod(ns_, pod);
}

std::string Inspector::Uid(const std::string& pod) const {
  const PodHistory& history = History(pod);
  if (history.versions.empty()) return "";
  // The mirror pod of a static pod has a uid of its own; the runtime knows the manifest's.
  const Json* mirrored =
      Find(history.versions.back(), "metadata.annotations[kubernetes.io/config.mirror]");
  const Json* uid = mirrored != nullptr ? mirrored : Find(history.versions.back(), "metadata.uid");
  return uid == nullptr ? "" : TextOf(*uid);
}

bool Inspector::Polled(const std::string& subject) {
  static const auto& polled = *new std::vector<std::string>{
      "log",    "last-log", "lines", "exec",   "running",   "containers", "sandboxes",
      "ids",    "file",     "host",  "http",   "hook",      "pulls",      "port",
      "object", "node",     "since", "plugin", "served-by", "client-code"};
  std::string word = FirstWord(subject);
  return std::find(polled.begin(), polled.end(), word) != polled.end() ||
         word.rfind("cgroup", 0) == 0 || word == "http-code";
}

bool Inspector::Queued(const std::string& subject) {
  return FirstWord(subject).rfind("event", 0) == 0;
}

Inspector::Asked Inspector::Ask(std::string pod, std::string subject) {
  auto [word, rest] = Cut(subject);
  if (word == "log" || word == "last-log") {
    auto answer = co_await Log(pod, rest, word == "last-log");
    co_return answer;
  }
  if (word == "lines") {
    auto answer = co_await Lines(pod, rest);
    co_return answer;
  }
  if (word == "exec") {
    auto answer = co_await Exec(pod, rest);
    co_return answer;
  }
  if (word == "running" || word == "containers" || word == "sandboxes" || word == "ids") {
    auto answer = co_await Containers(pod, word, rest);
    co_return answer;
  }
  if (word == "http" || word == "http-code") {
    auto answer = co_await Http(word, rest);
    co_return answer;
  }
  if (word == "port") {
    auto answer = co_await Port(rest);
    co_return answer;
  }
  if (word == "object" || word == "node") {
    if (word == "node") rest = "nodes -/" + world_.node_name + " " + rest;
    auto answer = co_await Object(rest);
    co_return answer;
  }
  if (word.rfind("cgroup", 0) == 0) {
    auto answer = co_await Cgroup(pod, subject);
    co_return answer;
  }
  if (word == "event" || word == "event-count") co_return Event(pod, word, rest);
  if (word == "hook") co_return Hook(rest);
  if (word == "file") co_return HostFile(case_dir_ + "/" + rest);
  if (word == "host") co_return HostFile(rest);
  if (word == "elapsed") co_return Elapsed(pod, rest);
  if (word == "pulls") {
    size_t colon = rest.find(':');
    int asked = world_.registry.asked(rest.substr(0, colon), rest.substr(colon + 1));
    co_return Answer(std::to_string(asked));
  }
  if (word == "served-by" || word == "client-code") {
    auto [name, path] = Cut(rest);
    auto answer = co_await Trust(word, name, path);
    co_return answer;
  }
  if (word == "plugin") {
    if (plugin_ == nullptr) co_return absl::InvalidArgumentError("the case has no device plugin");
    co_return Answer(std::to_string(plugin_->Entered(rest)));
  }
  if (word == "since") {
    auto mark = marks_.find(rest);
    if (mark == marks_.end()) co_return absl::InvalidArgumentError("no such mark: " + rest);
    double seconds = std::chrono::duration<double>(world_.deps.clock.Mono() - mark->second).count();
    co_return Answer(std::to_string(seconds));
  }
  co_return Observed(History(pod).Now(), subject);
}

Inspector::Asked Inspector::Log(std::string pod, std::string container, bool previous) {
  std::string path = "/containerLogs/" + ns_ + "/" + pod + "/" + container;
  if (previous) path += "?previous=true";
  auto answer = co_await world_.port.Get(path);
  if (!answer.ok()) co_return answer.status();
  if (answer->status != 200) co_return Answer();
  co_return Answer(Chomped(answer->body));
}

Inspector::Asked Inspector::Lines(std::string pod, std::string words) {
  auto [container, pattern] = Cut(words);
  auto log = co_await Log(pod, container, false);
  if (!log.ok()) co_return log.status();
  std::istringstream in(log->value_or(""));
  std::regex expression(pattern);
  int count = 0;
  for (std::string line; std::getline(in, line);)
    if (std::regex_search(line, expression)) ++count;
  co_return Answer(std::to_string(count));
}

Inspector::Asked Inspector::Exec(std::string pod, std::string words) {
  auto [container, script] = Cut(words);
  auto all = co_await world_.runtime.ListContainers(Uid(pod));
  if (!all.ok()) co_return all.status();
  for (const auto& each : *all) {
    if (each.name != container || each.state != runtime::ContainerState::kRunning) continue;
    std::vector<std::string> command{"sh", "-c", script};
    auto done =
        co_await world_.runtime.ExecSync(each.id, std::move(command), std::chrono::seconds(20));
    if (!done.ok()) co_return done.status();
    std::string text = Chomped(done->stdout_data + done->stderr_data);
    if (done->exit_code != 0) text += " (exit code " + std::to_string(done->exit_code) + ")";
    co_return Answer(text);
  }
  co_return Answer();
}

Inspector::Asked Inspector::Containers(std::string pod, std::string word, std::string name) {
  std::string uid = Uid(pod);
  if (word == "sandboxes") {
    auto sandboxes = co_await world_.runtime.ListPodSandbox("");
    if (!sandboxes.ok()) co_return sandboxes.status();
    int count = 0;
    for (const auto& each : *sandboxes) count += each.namespace_ == ns_ && each.name == pod;
    co_return Answer(std::to_string(count));
  }
  auto all = co_await world_.runtime.ListContainers("");
  if (!all.ok()) co_return all.status();
  int count = 0;
  std::vector<std::string> ids;
  for (const auto& each : *all) {
    if (Label(each.labels, "pod.namespace") != ns_ || Label(each.labels, "pod.name") != pod)
      continue;
    bool running = each.state == runtime::ContainerState::kRunning;
    if (running) ids.push_back(each.id.str());
    if (each.name == name && (running || word == "containers")) ++count;
  }
  if (word != "ids") co_return Answer(std::to_string(count));
  std::sort(ids.begin(), ids.end());
  std::string text;
  for (const std::string& id : ids) text += id + " ";
  co_return Answer(text);
}

Inspector::Asked Inspector::Http(std::string word, std::string path) {
  auto answer = co_await world_.port.Get(path);
  if (!answer.ok()) co_return answer.status();
  if (word == "http-code") co_return Answer(std::to_string(answer->status));
  if (answer->status != 200) co_return Answer();
  co_return Answer(Chomped(answer->body));
}

Inspector::Asked Inspector::Port(std::string words) {
  auto [port, path] = Cut(words);
  HttpClient client(world_.deps, "http://127.0.0.1:" + port, nullptr);
  auto answer = co_await client.Get(path);
  if (!answer.ok()) co_return answer.status();
  co_return Answer(Chomped(answer->body));
}

Inspector::Asked Inspector::Object(std::string words) {
  auto [plural, rest] = Cut(words);
  auto [where, path] = Cut(rest);
  size_t slash = where.find('/');
  std::string ns = where.substr(0, slash);
  if (ns == "-") ns.clear();
  auto got = co_await world_.cluster.Get(plural, ns, where.substr(slash + 1));
  if (absl::IsNotFound(got.status())) co_return Answer();
  if (!got.ok()) co_return got.status();
  co_return Observed(&*got, path);
}

Inspector::Asked Inspector::Cgroup(std::string pod, std::string subject) {
  if (world_.node == nullptr) co_return absl::UnimplementedError("needs the kubelet to be ours");
  auto [word, files] = Cut(subject);
  std::string what = "pod" + Uid(pod);
  if (word.size() > 8) {
    std::string name = word.substr(7, word.size() - 8);
    auto all = co_await world_.runtime.ListContainers(Uid(pod));
    if (!all.ok()) co_return all.status();
    for (const auto& each : *all)
      if (each.name == name && each.state == runtime::ContainerState::kRunning)
        what = each.id.str();
  }
  std::istringstream names(files);
  for (std::string file; std::getline(names, file, '|');) {
    for (const std::string& tree : world_.node->options().groups.Dirs()) {
      auto group = FindGroup(tree, what);
      if (!group) continue;
      auto text = HostFile(*group / file);
      if (text && *text != "directory") co_return text;
    }
  }
  co_return Answer();
}

Inspector::Answer Inspector::Event(const std::string& pod, const std::string& word,
                                   const std::string& reason) const {
  std::string text;
  int count = 0;
  for (const Json& event : world_.observer.Events(ns_, pod)) {
    if (Text(event.as_object(), "reason") != reason) continue;
    text += Text(event.as_object(), "message") + "\n";
    count += std::max(1, std::atoi(Text(event.as_object(), "count", "1").c_str()));
  }
  if (word == "event-count") return std::to_string(count);
  return text.empty() ? std::nullopt : Answer(Chomped(text));
}

Inspector::Answer Inspector::Hook(const std::string& words) const {
  auto [path, header] = Cut(words);
  if (header.empty()) return std::to_string(world_.hooks.count(path));
  const auto* headers = world_.hooks.last(path);
  if (headers == nullptr) return std::nullopt;
  auto found = headers->find(header);
  return found == headers->end() ? std::nullopt : Answer(found->second);
}

Inspector::Answer Inspector::Elapsed(const std::string& pod, const std::string& words) const {
  auto [from, to] = Cut(words);
  const PodHistory& history = History(pod);
  if (history.versions.empty()) return std::nullopt;
  auto first = Observed(&history.versions.back(), from);
  auto second = Observed(&history.versions.back(), to);
  if (!first || !second) return std::nullopt;
  auto a = api::ParseRfc3339(*first), b = api::ParseRfc3339(*second);
  if (!a.ok() || !b.ok()) return std::nullopt;
  return std::to_string(b->seconds - a->seconds);
}

}  // namespace kubelet::conformance
