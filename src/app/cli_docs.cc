#include "app/cli_docs.h"

#include <iostream>

#include "kubelet/base/status.h"
#include "kubelet/config/flags.h"
#include "kubelet/config/reference.h"
#include "kubelet/server/endpoint_reference.h"

namespace kubelet::app {
namespace {

constexpr char kIntroduction[] =
    "<!-- Made by `kubelet docs reference`; do not edit. deploy/docs/update.sh writes it anew. "
    "-->\n"
    "# Reference: flags, fields, feature gates, endpoints\n\n"
    "`works`: does what it does in the kubelet of Kubernetes; of a gate: what it is about is "
    "there.\n"
    "`accepted`: read and checked, without effect or without its full one; the remark says why.\n"
    "`not built`: read and checked, and what it asks for is not there; the start warns of fields "
    "and\n"
    "flags that ask for it, and of gates that are switched to it. `refused`: the start ends with "
    "an\n"
    "error (flags, fields), or the request does (endpoints: 404 or 501). A value that a remark "
    "rules out\n"
    "is refused too.\n\n"
    "Defaults of flags are those of a start without configuration file; a file brings those of "
    "the\n"
    "fields.\n\n";

int Fail(const std::string& error) {
  std::cerr << "error: " << error << "\n";
  return 2;
}

}  // namespace

std::string ReferenceDocument() {
  return kIntroduction + config::ReferenceTables() + "\n" + server::EndpointTable();
}

int RunDocs(const std::vector<std::string>& args) {
  std::string topic = args.size() == 1 ? args[0] : "";
  if (topic == "reference") {
    std::cout << ReferenceDocument();
  } else if (topic == "man") {
    std::cout << config::ManPage();
  } else if (topic == "man-config") {
    std::cout << config::ConfigManPage();
  } else {
    return Fail("docs needs one of reference, man, man-config");
  }
  return 0;
}

int RunCompletion(const std::vector<std::string>& args) {
  if (args.size() != 1) return Fail("completion needs a shell: bash, zsh or fish");
  auto script = config::CompletionScript(args[0]);
  if (!script.ok()) return Fail(base::Message(script.status()));
  std::cout << *script;
  return 0;
}

}  // namespace kubelet::app
