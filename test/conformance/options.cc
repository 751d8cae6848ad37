#include "conformance/options.h"

#include <unistd.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "kubelet/base/status.h"

namespace kubelet::conformance {
namespace {

// Where the value of each flag goes.
std::map<std::string, std::string*> Texts(Options& o) {
  return {{"kubelet", &o.run.kubelet},
          {"cri", &o.run.endpoint},
          {"kubeconfig", &o.run.kubeconfig},
          {"node", &o.run.node},
          {"image-tar", &o.run.image_tar},
          {"busybox", &o.run.busybox},
          {"work-dir", &o.run.work_dir},
          {"kubelet-log", &o.run.kubelet_log},
          {"tap", &o.tap},
          {"junit", &o.junit},
          {"results", &o.results},
          {"html", &o.html},
          {"cases", &o.cases_file}};
}

// Flags that stand alone.
std::map<std::string, bool*> Switches(Options& o) {
  return {{"-h", &o.help},
          {"--help", &o.help},
          {"--list", &o.list},
          {"--man", &o.man},
          {"--end-other-pods", &o.run.end_other_pods}};
}

absl::StatusOr<int> WholeNumber(const std::string& name, const std::string& value) {
  int number = 0;
  const char* end = value.data() + value.size();
  auto [read, error] = std::from_chars(value.data(), end, number);
  if (error != std::errc() || read != end || number < 1)
    return absl::InvalidArgumentError("--" + name + ": `" + value +
                                      "` is not a whole number above 0");
  return number;
}

absl::Status SetNumber(Options& o, const std::string& name, const std::string& value, bool& known) {
  int seconds = 0;
  std::map<std::string, int*> whole{
      {"parallel", &o.run.parallel}, {"time-limit", &seconds}, {"kubelet-v", &o.run.verbosity}};
  auto found = whole.find(name);
  known = found != whole.end() || name == "patience";
  if (!known) return absl::OkStatus();
  if (found != whole.end()) {
    ASSIGN_OR_RETURN(*found->second, WholeNumber(name, value));
    if (seconds > 0) o.run.time_limit = std::chrono::seconds(seconds);
    return absl::OkStatus();
  }
  char* end = nullptr;
  o.run.patience = std::strtod(value.c_str(), &end);
  bool good = !value.empty() && *end == '\0' && o.run.patience > 0 && std::isfinite(o.run.patience);
  return good ? absl::OkStatus()
              : absl::InvalidArgumentError("--patience: `" + value + "` is not a number above 0");
}

absl::Status Check(Options& o) {
  if (o.help || o.man || o.list || !o.compare.empty()) return absl::OkStatus();
  if (o.run.endpoint.empty()) return absl::InvalidArgumentError("--cri has to be given");
  if (o.run.kubeconfig.empty() == o.run.kubelet.empty())
    return absl::InvalidArgumentError("one of --kubelet and --kubeconfig has to be given");
  if (!o.run.kubeconfig.empty() && o.run.node.empty())
    return absl::InvalidArgumentError("--kubeconfig needs --node");
  if (o.run.work_dir.empty())
    o.run.work_dir = "/var/tmp/kubelet-conformance-" + std::to_string(getpid());
  // The kubelet is started in another directory than ours.
  o.run.work_dir = std::filesystem::absolute(o.run.work_dir);
  if (!o.run.kubelet.empty()) o.run.kubelet = std::filesystem::absolute(o.run.kubelet);
  std::error_code ec;
  if (std::filesystem::exists(o.run.work_dir, ec))
    return absl::InvalidArgumentError("--work-dir " + o.run.work_dir +
                                      " is there already; it is removed at the end");
  return absl::OkStatus();
}

}  // namespace

std::string Usage() {
  return R"(usage: kubelet-conformance --kubelet PROGRAM --cri ENDPOINT [flags]
       kubelet-conformance --kubeconfig FILE --node NAME --cri ENDPOINT [flags]
       kubelet-conformance --compare A.json B.json [--html FILE]
       kubelet-conformance --list [--focus REGEX] [--skip REGEX]

Runs the cases of node conformance against a kubelet, with an API server of its own or that of the
kubeconfig (then on the node it runs on). Needs root. Leaves nothing behind.

  --kubelet PROGRAM     started with a configuration and directories of the run's own
  --cri ENDPOINT        unix:///run/containerd/containerd.sock
  --kubeconfig FILE     an administrator's; --node says which node is this machine
  --end-other-pods      start the kubelet though the runtime has pods already; it ends them
  --focus REGEX         only cases whose name matches; may be repeated
  --skip REGEX          not those; may be repeated
  --list                says what cases there are
  --parallel N          cases at once (8)
  --patience FACTOR     all time limits are multiplied with it (1)
  --time-limit SECONDS  of the whole run; cases that have not begun by then fail (900)
  --tap FILE --junit FILE --results FILE    the outcome as TAP, JUnit XML, JSON
  --compare A B         two files of --results as one page; --html FILE says where to
  --html FILE           with a run: the same page for this run alone
  --image-tar FILE      an image with a shell (OCI layout, one layer) instead of this machine's busybox
  --busybox FILE        a static busybox (/bin/busybox)
  --cases FILE          cases out of this file instead of the built-in ones
  --work-dir DIR        made and removed (/var/tmp/kubelet-conformance-PID)
  --man                 prints the manual page
  --kubelet-log FILE    keeps the kubelet's log; --kubelet-v N its verbosity (2)

Exit code: 0 all passed or were skipped, 1 a case failed, 2 the run could not begin (also: the runtime
has pods of others) or left something behind.
)";
}

absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& words) {
  Options options;
  auto texts = Texts(options);
  auto switches = Switches(options);
  for (size_t i = 0; i < words.size(); ++i) {
    if (auto found = switches.find(words[i]); found != switches.end()) {
      *found->second = true;
      continue;
    }
    if (words[i].rfind("--", 0) != 0)
      return absl::InvalidArgumentError("what is " + words[i] + "?");
    std::string name = words[i].substr(2), value;
    if (size_t equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.erase(equals);
    } else if (++i < words.size()) {
      value = words[i];
    } else {
      return absl::InvalidArgumentError("--" + name + " has no value");
    }
    bool number = false;
    absl::Status set = SetNumber(options, name, value, number);
    if (!set.ok()) return set;
    if (number) continue;
    if (name == "focus") {
      options.focus.push_back(value);
    } else if (name == "skip") {
      options.skip.push_back(value);
    } else if (name == "compare") {
      if (++i >= words.size()) return absl::InvalidArgumentError("--compare needs two files");
      options.compare = {value, words[i]};
    } else if (auto text = texts.find(name); text != texts.end()) {
      *text->second = value;
    } else {
      return absl::InvalidArgumentError("unknown flag --" + name);
    }
  }
  absl::Status checked = Check(options);
  if (!checked.ok()) return checked;
  return options;
}

absl::StatusOr<std::vector<Case>> CasesOf(const std::string& file) {
  std::ifstream in(file);
  if (!in) return absl::NotFoundError("cannot read " + file);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return ParseCases(std::filesystem::path(file).filename(), text);
}

}  // namespace kubelet::conformance
