#include "app/cli.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "app/cli_docs.h"
#include "kubelet/base/status.h"
#include "kubelet/config/config.h"
#include "kubelet/os/child_call.h"
#include "kubelet/server/http_server.h"
#include "kubelet/source/local_objects.h"
#include "kubelet/source/source.h"
#include "kubelet/volume/child_calls.h"

namespace kubelet::app {
namespace {

constexpr char kUsage[] =
    "Usage:\n"
    "  kubelet [flags]                    run the node agent; kubelet --help lists the flags\n"
    "  kubelet pods [-o json]             the pods of this node and what each is doing\n"
    "  kubelet explain [POD]              the step a pod is at, since when, its last error and "
    "next retry\n"
    "  kubelet validate FILE...           every problem of pod manifests, before they are put to "
    "use;\n"
    "                                     with --local-objects-dir DIR of those files, too\n"
    "  kubelet config check FILE...       every problem of configuration files\n"
    "  kubelet completion SHELL           completion for bash, zsh or fish\n"
    "  kubelet config status              what came of reading the configuration again (SIGHUP, or "
    "a changed file)\n"
    "pods, explain and config status take --root-dir DIR (default /var/lib/kubelet) to find the running "
    "kubelet.\n";

struct Options {
  std::string root_dir = "/var/lib/kubelet";
  std::string node_name, local_objects_dir;
  bool json = false;
  std::vector<std::string> rest;
  std::string error;
};

Options Parse(const std::vector<std::string>& args, size_t from) {
  Options out;
  for (size_t i = from; i < args.size(); ++i) {
    std::string name = args[i], value;
    size_t equals = name.find('=');
    bool has_value = name.rfind("-", 0) == 0 && equals != std::string::npos;
    if (has_value) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    bool takes_value = name == "--root-dir" || name == "-o" || name == "--output" ||
                       name == "--hostname-override" || name == "--local-objects-dir";
    if (takes_value && !has_value) {
      if (i + 1 == args.size()) {
        out.error = "flag needs an argument: " + name;
        return out;
      }
      value = args[++i];
    }
    if (name == "--root-dir") {
      out.root_dir = value;
    } else if (name == "--hostname-override") {
      out.node_name = value;
    } else if (name == "--local-objects-dir") {
      out.local_objects_dir = value;
    } else if (name == "-o" || name == "--output") {
      out.json = value == "json";
      if (!out.json) out.error = "unknown output format \"" + value + "\" (only json)";
    } else if (name.rfind("-", 0) == 0) {
      out.error = "unknown flag: " + name;
    } else {
      out.rest.push_back(name);
    }
  }
  return out;
}

int Fail(const std::string& error) {
  std::cerr << "error: " << error << "\n" << kUsage;
  return 2;
}

int Ask(const Options& options, const std::string& target) {
  int code = 0;
  std::string body;
  auto status = server::UnixGet(options.root_dir + "/kubelet.sock", target, &code, &body);
  if (!status.ok()) {
    std::cerr << "error: " << base::Message(status) << "\n";
    return 1;
  }
  (code == 200 ? std::cout : std::cerr) << body;
  return code == 200 ? 0 : 1;
}

std::string Escape(const std::string& text) {
  std::string out;
  char buffer[4];
  for (unsigned char c : text) {
    std::snprintf(buffer, sizeof buffer, "%%%02x", c);
    out += buffer;
  }
  return out;
}

std::string HostName() {
  char buffer[256] = {};
  gethostname(buffer, sizeof buffer - 1);
  return buffer;
}

}  // namespace

std::optional<int> RunSubcommand(const std::vector<std::string>& args) {
  if (args.empty()) return std::nullopt;
  const std::string& command = args[0];
  if (command == os::kChildCallWord)
    return os::ServeChildCall({args.begin() + 1, args.end()}, volume::ChildCallTable());
  if (command == "help") {
    std::cout << kUsage;
    return 0;
  }
  if (command == "docs") return RunDocs({args.begin() + 1, args.end()});
  if (command == "completion") return RunCompletion({args.begin() + 1, args.end()});
  if (command != "pods" && command != "explain" && command != "validate" && command != "config") {
    if (command.rfind("-", 0) == 0) return std::nullopt;
    return Fail("unknown command \"" + command + "\"");
  }
  Options options = Parse(args, 1);
  if (!options.error.empty()) return Fail(options.error);
  if (command == "pods") {
    if (!options.rest.empty())
      return Fail("pods takes no argument; `kubelet explain POD` shows one");
    return Ask(options, options.json ? "/pods" : "/local/pods");
  }
  if (command == "explain") {
    if (options.rest.size() > 1) return Fail("explain takes one pod");
    return Ask(options,
               "/local/explain" + (options.rest.empty() ? "" : "?pod=" + Escape(options.rest[0])));
  }
  if (command == "validate") {
    if (options.rest.empty()) return Fail("validate needs at least one file");
    std::string node = options.node_name.empty() ? HostName() : options.node_name;
    if (options.local_objects_dir.empty())
      return source::ValidateFiles(options.rest, node, std::cout);
    int objects = source::ValidateLocalObjects(options.local_objects_dir, std::cout);
    int pods = source::ValidateFiles(options.rest, node, std::cout,
                                     source::References::kLocalObjects);
    return objects != 0 ? objects : pods;
  }
  if (options.rest.size() == 1 && options.rest[0] == "status")
    return Ask(options, "/local/config");
  if (options.rest.size() < 2 || options.rest[0] != "check")
    return Fail("config check needs at least one file");
  return config::CheckFiles({options.rest.begin() + 1, options.rest.end()}, std::cout);
}

}  // namespace kubelet::app
