#include "conformance/case_run.h"

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>

#include "kubelet/base/status.h"

namespace kubelet::conformance {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

// Something that only asking shows is asked this often.
constexpr base::Nanos kPoll = std::chrono::milliseconds(200);
constexpr seconds kSoon(10);

absl::Status Failed(const std::string& text) { return absl::AbortedError(text); }

// For something that may come late. What is to be absent is so from the start, or never.
bool Waits(const std::string& text) {
  auto condition = ParseCondition(text);
  return condition.ok() && Inspector::Queued(condition->subject);
}

std::string Short(const std::string& text) {
  return text.size() <= 400 ? text : text.substr(0, 400) + "...";
}

}  // namespace

CaseRun::CaseRun(World& world, const Case& test, int number)
    : world_(world),
      case_(test),
      ns_(world.prefix + std::to_string(number)),
      case_dir_(world.dir + "/cases/" + ns_),
      inspector_(world, ns_, case_dir_),
      wake_(world.deps.executor, world.deps.clock) {
  world_.observer.Subscribe(ns_, &wake_);
}

CaseRun::~CaseRun() { world_.observer.Forget(ns_); }

base::Nanos CaseRun::Left() const { return end_ - world_.deps.clock.Mono(); }

std::string CaseRun::PodName(const std::string& alias) const {
  if (alias.empty()) return main_pod_;
  auto found = aliases_.find(alias);
  return found == aliases_.end() ? alias : found->second;
}

void CaseRun::RefreshVars() {
  vars_["UID"] = inspector_.Uid(main_pod_);
  const PodHistory& history = inspector_.History(main_pod_);
  if (history.versions.empty()) return;
  for (auto [name, path] : {std::pair("IP", "status.podIP"), std::pair("HOST_IP", "status.hostIP")})
    if (const Json* value = Find(history.versions.back(), path)) vars_[name] = TextOf(*value);
}

base::Task<absl::Status> CaseRun::Run() {
  for (const std::string& need : case_.needs) {
    if (need == "runtime-handler" && world_.handler.empty())
      co_return absl::UnimplementedError("the container runtime names no handler");
    if (need == "own-kubelet" && world_.node == nullptr)
      co_return absl::UnimplementedError("the kubelet is not ours to stop or configure");
    if (need == "own-api" && world_.cluster.own() == nullptr)
      co_return absl::UnimplementedError("the API server is not ours to stop");
  }
  // Cases tell what time they need on a quiet machine; at the end of it a loaded one fails.
  end_ = world_.deps.clock.Mono() +
         std::chrono::duration_cast<base::Nanos>(case_.timeout * world_.patience);
  vars_["NS"] = ns_;
  vars_["NODE"] = world_.node_name;
  vars_["REGISTRY"] = world_.registry.host();
  vars_["IMAGE"] = world_.registry.host() + "/busybox:1";
  vars_["IMAGE2"] = world_.registry.host() + "/busybox:2";
  vars_["DIGEST"] = world_.registry.digest();
  vars_["HTTP_PORT"] = std::to_string(world_.hooks.http_port());
  vars_["HTTPS_PORT"] = std::to_string(world_.hooks.https_port());
  vars_["GRPC_PORT"] = std::to_string(world_.hooks.grpc_port());
  vars_["CASE_DIR"] = case_dir_;
  vars_["HANDLER"] = world_.handler;
  vars_["FOREVER"] = "trap 'exit 0' TERM; sleep 3600 & wait";
  if (world_.node != nullptr) {
    vars_["ROOT"] = world_.node->root();
    vars_["LOGS"] = world_.node->logs();
    const RunGroups& groups = world_.node->options().groups;
    vars_["BURSTABLE_GROUP"] = groups.Path({"kubepods", "burstable"});
    vars_["BESTEFFORT_GROUP"] = groups.Path({"kubepods", "besteffort"});
    vars_["HEALTHZ_PORT"] = std::to_string(world_.node->healthz_port());
    vars_["READONLY_PORT"] = std::to_string(world_.node->readonly_port());
  }
  std::error_code ec;
  fs::create_directories(case_dir_, ec);
  fs::permissions(case_dir_, fs::perms::all, ec);
  absl::Status status = co_await Steps();
  absl::Status cleaned = co_await CleanUp();
  co_return status.ok() ? cleaned : status;
}

base::Task<absl::Status> CaseRun::Steps() {
  JsonObject metadata{{"name", ns_}};
  Json space = JsonObject{{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", metadata}};
  absl::Status made = co_await world_.cluster.Create(std::move(space));
  if (!made.ok()) co_return base::Annotate(made, "create the namespace");
  // Pods are refused before the namespace has its service account.
  std::vector<std::string> account{"object serviceaccounts " + ns_ + "/default metadata.name"};
  made = co_await Await(std::move(account), kSoon);
  if (!made.ok()) co_return made;
  int number = 0;
  for (const Json& step : case_.steps) {
    const auto& member = *step.as_object().begin();
    std::string verb(member.key());
    RefreshVars();
    Json arguments = SubstituteIn(member.value(), vars_);
    absl::Status done = co_await Step(verb, std::move(arguments));
    ++number;
    if (!done.ok())
      co_return base::Annotate(done, "step " + std::to_string(number) + " (" + verb + ")");
  }
  RefreshVars();
  absl::Status checked = CheckNever(case_.never);
  if (checked.ok()) checked = CheckEver();
  if (checked.ok()) checked = CheckOrder();
  co_return checked;
}

base::Task<absl::Status> CaseRun::Step(std::string verb, Json arguments) {
  bool done = false;
  absl::Status status = co_await LocalStep(verb, arguments, done);
  if (done) co_return status;
  status = co_await ApiStep(verb, arguments, done);
  if (done) co_return status;
  status = co_await NodeStep(verb, arguments, done);
  if (done) co_return status;
  status = co_await DeviceStep(verb, arguments, done);
  if (done) co_return status;
  co_return absl::InvalidArgumentError("no such verb");
}

base::Task<absl::Status> CaseRun::LocalStep(std::string verb, Json arguments, bool& done) {
  done = true;
  JsonObject wrapped{{"list", arguments}};
  std::vector<std::string> texts = Texts(wrapped, "list");
  JsonObject object = arguments.is_object() ? arguments.as_object() : JsonObject();
  std::string word = texts.empty() ? "" : texts.front();
  if (verb == "until") {
    auto status = co_await Await(std::move(texts), Left());
    co_return status;
  }
  if (verb == "expect") {
    auto limit = std::chrono::duration_cast<base::Nanos>(kSoon * world_.patience);
    if (std::any_of(texts.begin(), texts.end(), Waits)) limit = std::max(limit, Left());
    auto status = co_await Await(std::move(texts), limit);
    co_return status;
  }
  if (verb == "hold") {
    auto time = seconds(std::atoi(Text(object, "seconds", "3").c_str()));
    auto status = co_await Hold(Texts(object, "that"), time);
    co_return status;
  }
  if (verb == "never") co_return CheckNever(texts);
  if (verb == "authority") co_return WriteCertificates(object);
  if (verb == "remember") {
    auto status = co_await Remember(std::move(object));
    co_return status;
  }
  if (verb == "mark") inspector_.Mark(word);
  if (verb == "sleep") co_await base::SleepFor(world_.deps.clock, seconds(std::atoi(word.c_str())));
  if (verb == "write")
    std::ofstream(case_dir_ + "/" + Text(object, "file")) << Text(object, "text");
  if (verb == "remove") fs::remove(case_dir_ + "/" + word);
  if (verb == "serve")
    world_.hooks.Serve(Text(object, "path"), std::atoi(Text(object, "status").c_str()));
  for (const char* known : {"mark", "sleep", "write", "remove", "serve"})
    if (verb == known) co_return absl::OkStatus();
  done = false;
  co_return absl::OkStatus();
}

base::Task<absl::Status> CaseRun::ApiStep(std::string verb, Json arguments, bool& done) {
  done = true;
  JsonObject object = arguments.is_object() ? arguments.as_object() : JsonObject();
  absl::Status status;
  if (verb == "create") {
    JsonArray list = arguments.is_array() ? arguments.as_array() : JsonArray{arguments};
    for (const Json& each : list) {
      status = co_await CreateObject(each);
      if (!status.ok()) break;
    }
  } else if (verb == "pod") {
    status = co_await CreatePod(std::move(arguments));
  } else if (verb == "delete") {
    status = co_await DeletePod(std::move(arguments));
  } else if (verb == "patch") {
    status = co_await PatchPod(std::move(object));
  } else if (verb == "change") {
    status = co_await world_.cluster.Patch(Text(object, "plural"), ns_, Text(object, "name"), "",
                                           "merge", object["with"]);
  } else if (verb == "erase") {
    status = co_await world_.cluster.Delete(Text(object, "plural"), ns_, Text(object, "name"));
  } else if (verb == "exec") {
    status = co_await Exec(std::move(object));
  } else {
    done = false;
  }
  co_return status;
}

base::Task<absl::Status> CaseRun::CreateObject(Json object) {
  if (!object.is_object()) co_return absl::InvalidArgumentError("not an object");
  JsonObject& fields = object.as_object();
  if (!fields.contains("apiVersion")) fields["apiVersion"] = "v1";
  std::string kind = Text(fields, "kind");
  std::string name = Text(fields, "name");
  JsonObject metadata{{"name", name}};
  if (kind == "RuntimeClass") {
    cluster_objects_.emplace_back("runtimeclasses", name);
  } else {
    metadata["namespace"] = ns_;
  }
  fields.erase("name");
  fields["metadata"] = metadata;
  absl::Status made = co_await world_.cluster.Create(std::move(object));
  co_return base::Annotate(made, "create the " + kind);
}

base::Task<absl::Status> CaseRun::CreatePod(Json given) {
  std::string name = given.is_object() ? Text(given.as_object(), "name", "p") : "p";
  PodContext context{name, ns_, world_.node_name, vars_["IMAGE"], case_dir_};
  if (main_pod_.empty()) main_pod_ = name;
  pods_.insert(name);
  Json pod = ExpandPod(given, context);
  absl::Status made = co_await world_.cluster.Create(std::move(pod));
  if (!made.ok()) co_return base::Annotate(made, "create pod " + name);
  // Later steps use its uid.
  std::vector<std::string> seen{name + "/metadata.uid"};
  auto status = co_await Await(std::move(seen), kSoon);
  co_return status;
}

base::Task<absl::Status> CaseRun::DeletePod(Json arguments) {
  JsonObject object = arguments.is_object() ? arguments.as_object() : JsonObject();
  std::string name = arguments.is_object() ? Text(object, "pod") : TextOf(arguments);
  std::optional<int64_t> grace;
  if (const Json* value = object.if_contains("grace")) grace = std::atoll(TextOf(*value).c_str());
  auto status = co_await world_.cluster.Delete("pods", ns_, PodName(name), grace);
  co_return status;
}

base::Task<absl::Status> CaseRun::PatchPod(JsonObject arguments) {
  std::string refused = Text(arguments, "refused");
  auto status = co_await world_.cluster.Patch(
      "pods", ns_, PodName(Text(arguments, "pod")), Text(arguments, "subresource"),
      Text(arguments, "type", "strategic"), arguments["with"]);
  if (refused.empty()) co_return status;
  if (status.ok()) co_return Failed("the patch was taken");
  if (!std::regex_search(base::Message(status), std::regex(refused))) co_return status;
  co_return absl::OkStatus();
}

base::Task<absl::Status> CaseRun::Exec(JsonObject arguments) {
  std::string path = "/exec/" + ns_ + "/" + PodName(Text(arguments, "pod")) + "/" +
                     Text(arguments, "container", "main") + "?output=1&error=1";
  bool with_input = arguments.contains("in");
  if (with_input) path += "&input=1";
  for (const std::string& word : Texts(arguments, "command")) path += "&command=" + Escape(word);
  auto result = co_await world_.port.Exec(path, Text(arguments, "in"), with_input);
  if (!result.ok()) co_return result.status();
  auto differs = [&](const char* key, const std::string& actual) {
    return arguments.contains(key) && Text(arguments, key) != actual;
  };
  if (differs("out", result->out)) co_return Failed("out is: " + Short(result->out));
  if (differs("err", result->err)) co_return Failed("err is: " + Short(result->err));
  std::string code = std::to_string(result->exit_code);
  if (Text(arguments, "exit", "0") != code)
    co_return Failed("exit code is " + code + " " + result->error);
  co_return absl::OkStatus();
}

base::Task<absl::Status> CaseRun::Remember(JsonObject arguments) {
  for (const auto& member : arguments) {
    auto answer = co_await inspector_.Ask(main_pod_, TextOf(member.value()));
    if (!answer.ok()) co_return answer.status();
    if (!*answer) co_return Failed("there is no " + TextOf(member.value()));
    vars_[std::string(member.key())] = **answer;
  }
  co_return absl::OkStatus();
}

base::Task<std::string> CaseRun::FirstFalse(std::vector<std::string> conditions) {
  for (const std::string& text : conditions) {
    auto condition = ParseCondition(text);
    if (!condition.ok()) co_return base::Message(condition.status());
    auto answer = co_await inspector_.Ask(PodName(condition->pod), condition->subject);
    if (!answer.ok()) co_return text + ": " + base::Message(answer.status());
    if (!Holds(*condition, *answer)) {
      std::string found = "absent";
      if (*answer) found = "`" + Short(**answer) + "`";
      co_return text + ": it is " + found;
    }
  }
  co_return std::string();
}

base::Task<absl::Status> CaseRun::Await(std::vector<std::string> conditions, base::Nanos limit) {
  base::MonoTime end = world_.deps.clock.Mono() + limit;
  bool polled = false;
  for (const std::string& text : conditions) {
    auto condition = ParseCondition(text);
    polled = polled || !condition.ok() || Inspector::Polled(condition->subject);
  }
  while (true) {
    std::string wrong = co_await FirstFalse(conditions);
    if (wrong.empty()) co_return absl::OkStatus();
    base::MonoTime now = world_.deps.clock.Mono();
    if (now >= end) co_return Failed(wrong + WhyEnded());
    base::Nanos pause = polled ? kPoll : base::Nanos(seconds(1));
    co_await wake_.Wait(std::min(end, now + pause));
  }
}

// A pod that was refused or evicted says so itself.
std::string CaseRun::WhyEnded() const {
  const Json* pod = main_pod_.empty() ? nullptr : inspector_.History(PodName(main_pod_)).Now();
  const Json* reason = pod != nullptr ? Find(*pod, "status.reason") : nullptr;
  if (reason == nullptr) return "";
  const Json* message = Find(*pod, "status.message");
  return "; the pod says " + TextOf(*reason) + (message ? ": " + TextOf(*message) : "");
}

base::Task<absl::Status> CaseRun::Hold(std::vector<std::string> conditions, base::Nanos time) {
  base::MonoTime end = world_.deps.clock.Mono() + time;
  while (true) {
    std::string wrong = co_await FirstFalse(conditions);
    if (!wrong.empty()) co_return Failed("does not stay so: " + wrong);
    base::MonoTime now = world_.deps.clock.Mono();
    if (now >= end) co_return absl::OkStatus();
    co_await wake_.Wait(std::min(end, now + kPoll));
  }
}

absl::Status CaseRun::CheckNever(const std::vector<std::string>& conditions) const {
  for (const std::string& text : conditions) {
    auto condition = ParseCondition(Substitute(text, vars_));
    if (!condition.ok()) return condition.status();
    for (const Json& version : inspector_.History(PodName(condition->pod)).versions)
      if (Holds(*condition, Observed(&version, condition->subject)))
        return Failed("was so for a time: " + text);
  }
  return absl::OkStatus();
}

absl::Status CaseRun::CheckEver() const {
  for (const std::string& text : case_.ever) {
    auto condition = ParseCondition(Substitute(text, vars_));
    if (!condition.ok()) return condition.status();
    bool found = false;
    for (const Json& version : inspector_.History(PodName(condition->pod)).versions)
      found = found || Holds(*condition, Observed(&version, condition->subject));
    if (!found) return Failed("was never so: " + text);
  }
  return absl::OkStatus();
}

// Each has to become true, and none before the one that is named before it.
absl::Status CaseRun::CheckOrder() const {
  size_t before = 0;
  std::string last;
  for (const std::string& text : case_.order) {
    auto condition = ParseCondition(Substitute(text, vars_));
    if (!condition.ok()) return condition.status();
    const auto& versions = inspector_.History(PodName(condition->pod)).versions;
    size_t at = 0;
    while (at < versions.size() && !Holds(*condition, Observed(&versions[at], condition->subject)))
      ++at;
    if (at == versions.size()) return Failed("was never so: " + text);
    if (at < before) return Failed("was so before `" + last + "`: " + text);
    before = at;
    last = text;
  }
  return absl::OkStatus();
}

}  // namespace kubelet::conformance
