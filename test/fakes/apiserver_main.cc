// test-apiserver: an API server for tests in one command. Says where it is on stdout once it
// answers, and in the files `url` and `control` of its directory; ends on SIGTERM, keeping its
// state when told to.
//
//   test-apiserver --dir DIR [--node n1] [--port 0] [--control-port 0] [--state FILE] [--seed 1]
//                  [--latency-ms 0] [--approval auto|manual|deny] [--approval-delay-ms 0]
//                  [--certificate-seconds N] [--kubelet-certificate-seconds N]
//                  [--token-seconds N] [--bookmark-ms 60000] [--no-schedule] [--no-watch-list]
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <cstdlib>
#include <iostream>
#include <map>

#include "fakes/api_server.h"
#include "kubelet/base/status.h"

namespace kubelet::fakes {
namespace {

struct Flags {
  std::map<std::string, std::string> values;
  std::string Text(const std::string& name, const std::string& otherwise) const {
    auto found = values.find(name);
    return found == values.end() ? otherwise : found->second;
  }
  int64_t Number(const std::string& name, int64_t otherwise) const {
    auto found = values.find(name);
    return found == values.end() ? otherwise : std::atoll(found->second.c_str());
  }
  bool Has(const std::string& name) const { return values.count(name) != 0; }
};

bool ParseFlags(int argc, char** argv, Flags& flags) {
  static const std::map<std::string, bool> known{{"dir", true},
                                                 {"node", true},
                                                 {"port", true},
                                                 {"control-port", true},
                                                 {"state", true},
                                                 {"seed", true},
                                                 {"latency-ms", true},
                                                 {"approval", true},
                                                 {"approval-delay-ms", true},
                                                 {"certificate-seconds", true},
                                                 {"kubelet-certificate-seconds", true},
                                                 {"token-seconds", true},
                                                 {"bookmark-ms", true},
                                                 {"no-schedule", false},
                                                 {"no-watch-list", false}};
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word.rfind("--", 0) != 0) return false;
    word.erase(0, 2);
    auto equals = word.find('=');
    std::string name = word.substr(0, equals);
    auto flag = known.find(name);
    if (flag == known.end()) return false;
    if (equals != std::string::npos) {
      flags.values[name] = word.substr(equals + 1);
    } else if (!flag->second) {
      flags.values[name] = "true";
    } else if (i + 1 < argc) {
      flags.values[name] = argv[++i];
    } else {
      return false;
    }
  }
  return flags.Has("dir");
}

ApiServerOptions OptionsOf(const Flags& flags) {
  ApiServerOptions options;
  options.dir = flags.Text("dir", "");
  options.node = flags.Text("node", "n1");
  options.port = static_cast<uint16_t>(flags.Number("port", 0));
  options.control_port = static_cast<uint16_t>(flags.Number("control-port", 0));
  options.state_file = flags.Text("state", "");
  options.seed = static_cast<uint64_t>(flags.Number("seed", 1));
  auto& controllers = options.controllers;
  using Approval = ApiControllers::Options::Approval;
  std::string approval = flags.Text("approval", "auto");
  controllers.approval = approval == "manual" ? Approval::kManual
                         : approval == "deny" ? Approval::kDeny
                                              : Approval::kAuto;
  controllers.approval_delay = std::chrono::milliseconds(flags.Number("approval-delay-ms", 0));
  controllers.certificate_life = std::chrono::seconds(
      flags.Number("certificate-seconds", controllers.certificate_life.count()));
  controllers.schedule = !flags.Has("no-schedule");
  options.kubelet_certificate_life = std::chrono::seconds(
      flags.Number("kubelet-certificate-seconds", options.kubelet_certificate_life.count()));
  options.token_life = std::chrono::seconds(flags.Number("token-seconds", 0));
  options.handler.watch_list = !flags.Has("no-watch-list");
  options.handler.bookmark_interval = std::chrono::milliseconds(flags.Number("bookmark-ms", 60000));
  return options;
}

int Run(const Flags& flags) {
  boost::asio::io_context io(1);
  base::RealClock clock(io);
  auto server = ApiServer::Start(io.get_executor(), clock, OptionsOf(flags));
  if (!server.ok()) {
    std::cerr << "test-apiserver: " << base::Message(server.status()) << "\n";
    return 1;
  }
  if (int64_t latency = flags.Number("latency-ms", 0); latency > 0) {
    ApiFault slow;
    slow.count = -1;
    slow.delay = std::chrono::milliseconds(latency);
    (*server)->faults().Add(slow);
  }
  std::cout << "url=" << (*server)->url() << " control=" << (*server)->control_url() << std::endl;
  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code&, int) { io.stop(); });
  io.run();
  if (flags.Has("state")) (*server)->Save().IgnoreError();
  return 0;
}

}  // namespace
}  // namespace kubelet::fakes

int main(int argc, char** argv) {
  kubelet::fakes::Flags flags;
  if (!kubelet::fakes::ParseFlags(argc, argv, flags)) {
    std::cerr << "usage: test-apiserver --dir DIR [--node n1] [--port 0] [--state FILE] ...\n";
    return 2;
  }
  return kubelet::fakes::Run(flags);
}
