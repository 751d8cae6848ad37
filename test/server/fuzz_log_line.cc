// Any bytes as a log, read whole and in pieces: the same text comes out, or the same refusal.
#include <cstdlib>

#include "server/log_filter.h"
#include "server/request.h"

namespace kubelet::server {
namespace {

std::string Run(std::string_view bytes, size_t step, bool& good) {
  LogQuery query;
  query.timestamps = true;
  LogFilter filter(query);
  std::string out;
  good = true;
  while (!bytes.empty() && good) {
    size_t n = std::min(step, bytes.size());
    good = filter.Feed(bytes.substr(0, n), out).ok();
    bytes.remove_prefix(n);
  }
  if (good) good = filter.Flush(out).ok();
  return out;
}

}  // namespace
}  // namespace kubelet::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  bool whole = false, parts = false;
  auto a = kubelet::server::Run(bytes, size + 1, whole);
  auto b = kubelet::server::Run(bytes, size % 7 + 1, parts);
  if (whole != parts || (whole && a != b)) abort();
  kubelet::server::HttpRequest request;
  kubelet::server::ParseRequestTarget(std::string(bytes), request);
  auto query = kubelet::server::ParseLogQuery(request.query, size % 2 == 0, {});
  if (query.ok() && query->tail_lines && *query->tail_lines < 0) abort();
  return 0;
}
