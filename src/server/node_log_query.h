// /logs/?query=...: logs of the node's services and files. Pure. Facts: kubelet_server_journal.go
// of 1.36 (gate NodeLogQuery, enableSystemLogQuery).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/api/time.h"
#include "server/request.h"

namespace kubelet::server {

struct NodeLogQuery {
  std::vector<std::string> services, files;
  std::optional<api::UnixTime> since, until;
  std::optional<int64_t> tail_lines, boot;
  std::string pattern;
  bool HasOptions() const { return since || until || tail_lines || boot || !pattern.empty(); }
};

// nullopt: nothing is asked, it is a path that is meant. InvalidArgument: it cannot be read (400);
// FailedPrecondition: it makes no sense (406). Messages are those of Go's field errors.
absl::StatusOr<std::optional<NodeLogQuery>> ParseNodeLogQuery(const Pairs& query);

// Arguments for journalctl.
std::vector<std::string> JournalArguments(const NodeLogQuery& query,
                                          const std::vector<std::string>& services);
// Where the log of a service may be, below the log directory.
std::vector<std::string> LogFileGuesses(const std::string& service);

}  // namespace kubelet::server
