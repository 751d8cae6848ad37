// The endpoints as a table for people. Whether one is there is asked of the router itself, so the
// table cannot tell anything else. Pure.
#pragma once

#include <string>
#include <vector>

namespace kubelet::server {

struct EndpointRow {
  std::string ports;  // main (HTTPS), read-only, healthz, socket; gRPC
  std::string path;   // of gRPC: the socket's
  std::string methods;
  std::string permission;  // of `nodes/…`, one of which must be allowed; empty: none is asked
  std::string state;       // works, refused
  std::string remark;
};
std::vector<EndpointRow> EndpointRows();

// As Markdown, with a heading of the second level.
std::string EndpointTable();

}  // namespace kubelet::server
