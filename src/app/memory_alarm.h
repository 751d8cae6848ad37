// kernelMemcgNotification: the kernel tells when memory gets short, between two looks of the
// evictions. On cgroup v1 a threshold on the working set for each threshold of memory, renewed
// every ten seconds; on v2, where upstream has nothing, a trigger on memory pressure. Core loop
// only; no policy.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/os/cgroup.h"

namespace kubelet::app {

class MemoryAlarm {
 public:
  // A group, and how many bytes in use are too many.
  struct Limit {
    std::string group;
    int64_t working_set = 0;
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    os::CgroupMounts cgroups;
    std::function<std::vector<Limit>()> limits;  // as of now
    std::function<void()> on_alarm;
  };
  explicit MemoryAlarm(Deps deps);
  void Start();

 private:
  using Descriptor = boost::asio::posix::stream_descriptor;
  base::Task<void> Renew();
  base::Task<void> WatchPressure();
  void Wait(const std::shared_ptr<Descriptor>& descriptor, bool exceptional);

  Deps deps_;
  std::vector<std::shared_ptr<Descriptor>> armed_;
  bool failed_ = false;  // told once
  base::TaskScope scope_;
};

}  // namespace kubelet::app
