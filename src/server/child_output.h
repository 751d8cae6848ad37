// A program whose output is sent on as it comes. Server loop only.
#pragma once

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"

namespace kubelet::server {

class ChildOutput {
 public:
  // Its standard output and error, in one. NotFound: there is no such program.
  static absl::StatusOr<std::shared_ptr<ChildOutput>> Start(base::Executor executor,
                                                            const std::string& program,
                                                            const std::vector<std::string>& args);
  ~ChildOutput();
  // At most 64 KiB; empty: the end.
  base::Task<std::string> Read();
  // Ends it with all it has started, if it still runs.
  void Kill();
  // Kill, and its remains are taken away.
  base::Task<void> Finish(base::BlockingPool* pool);

 private:
  ChildOutput(base::Executor executor, int fd, int pid);
  boost::asio::posix::basic_stream_descriptor<base::Executor> out_;
  int pid_;
};

}  // namespace kubelet::server
