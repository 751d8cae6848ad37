// An HTTP request and the head of its answer, whatever the protocol version. Values.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace kubelet::client {

using Headers = std::vector<std::pair<std::string, std::string>>;  // names in lower case

struct Request {
  std::string method;
  std::string target;  // path and query, encoded
  Headers headers;     // without host, content-length and what the protocol adds
  std::string body;
  bool watch = false;  // ends when credentials are renewed
};

struct ResponseHead {
  int status = 0;
  Headers headers;
  // The first value of a header; empty when it is not there.
  std::string Find(const std::string& name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return "";
  }
};

}  // namespace kubelet::client
