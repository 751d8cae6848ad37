// The resolver's configuration as pods' DNS takes it from the node (pkg/kubelet/network/dns
// parseResolvConf).
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::os {

struct ResolvConf {
  std::vector<std::string> nameservers;  // all lines together
  std::vector<std::string>
      searches;  // of the last `search` line, without final dots and a lone `.`
  std::vector<std::string>
      options;  // of all `options` lines; a later setting of the same name wins
};

// InvalidArgument for a `nameserver` line without an address, as upstream. Other lines are ignored.
absl::StatusOr<ResolvConf> ParseResolvConf(const std::string& text);

// Blocks. ResourceExhausted above 10 MiB, NotFound when absent.
absl::StatusOr<ResolvConf> ReadResolvConf(const std::string& path);

// The node's /etc/hosts, for pods on the host's network. Blocks; the same codes.
absl::StatusOr<std::string> ReadHostsFile(const std::string& path = "/etc/hosts");

}  // namespace kubelet::os
