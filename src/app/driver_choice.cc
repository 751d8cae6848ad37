#include "app/driver_choice.h"

#include "kubelet/base/log.h"

namespace kubelet::app {

using runtime::CgroupDriver;

base::Task<absl::StatusOr<CgroupDriver>> DriverChoice::Find() {
  if (known_) co_return *known_;
  auto answer = co_await runtime_.RuntimeConfig();
  if (absl::IsUnimplemented(answer.status())) {
    TellOld();
    answer = configured_;
  } else if (absl::IsNotFound(answer.status())) {
    answer = configured_;  // it knows the question, and nothing of Linux
  }
  if (!answer.ok()) {
    if (trouble_ != answer.status())
      LOG_ERROR("The container runtime does not say which cgroup driver it uses; will ask again",
                "err", answer.status());
    trouble_ = answer.status();
    co_return trouble_;
  }
  if (*answer != configured_)
    LOG_INFO("Taking the cgroup driver of the container runtime", "driver",
             *answer == CgroupDriver::kSystemd ? "systemd" : "cgroupfs");
  trouble_ = absl::OkStatus();
  known_ = *answer;
  co_return *known_;
}

void DriverChoice::TellOld() {
  LOG_INFO(
      "The container runtime is too old to say which cgroup driver it uses; taking cgroupDriver of "
      "the configuration");
  metrics_
      .AddGauge("kubelet_cri_losing_support",
                "the Kubernetes version that the currently running CRI implementation will lose "
                "support on if not upgraded.",
                {"version"})
      .With({"1.37.0"})
      .Set(1);
}

}  // namespace kubelet::app
