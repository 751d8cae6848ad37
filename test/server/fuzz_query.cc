// Any bytes as a query string: of logs, of logs of the node, of a stream; and as the URL of the
// runtime's streaming server.
#include <cstdlib>

#include "server/backend.h"
#include "server/log_query.h"
#include "server/node_log_query.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kubelet::server;
  std::string text(reinterpret_cast<const char*>(data), size);
  Pairs query = ParseQuery(text);
  auto log = ParseLogQuery(query, size % 2 == 0, {});
  if (log.ok() && log->limit_bytes && *log->limit_bytes < 1) abort();
  auto node = ParseNodeLogQuery(query);
  if (node.ok() && *node) {
    // What becomes an argument of journalctl is one of ours, whatever was asked.
    for (const auto& argument : JournalArguments(**node, (*node)->services)) {
      bool boot = (*node)->boot && argument == std::to_string(*(*node)->boot);
      if (argument.rfind("--", 0) != 0 && !boot) abort();
    }
    for (const auto& service : (*node)->services)
      if (service.find_first_of("/\\ ;$`") != std::string::npos) abort();
    if ((*node)->files.empty() == (*node)->services.empty()) abort();
  }
  auto url = ParseStreamUrl(text);
  if (url.ok() && (url->host.empty() || url->target.find_first_of(" \r\n") != std::string::npos))
    abort();
  return 0;
}
