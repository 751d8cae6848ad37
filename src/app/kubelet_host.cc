// What the kubelet does to its host, and tells of it.
#include "app/kernel_oom.h"
#include "app/kubelet.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/resolv_conf.h"

namespace kubelet::app {

namespace {

// pkg/kubelet/cm/container_manager.go
constexpr char kCgroupV1Warning[] =
    "cgroup v1 detected. cgroup v1 support is deprecated and will be removed in a future release. "
    "Please migrate to cgroup v2. More information at "
    "https://git.k8s.io/enhancements/keps/sig-node/5573-remove-cgroup-v1";

}  // namespace

void Kubelet::OnNodeEvent(const runtime::PodEvent& event) {
  LOG_WARNING("Event", "node", node_.name, "reason", event.reason, "message", event.message);
  if (cluster_) cluster_->RecordNodeEvent(event.warning, event.reason, event.message);
}

void Kubelet::WatchHost() {
  const auto& kc = config_.kubelet;
  std::function<void(const runtime::PodEvent&)> tell = [this](const auto& event) {
    OnNodeEvent(event);
  };
  scope_.Spawn("kernel messages", TellOfOoms(io_.get_executor(), clock_, std::move(tell)));
  if (kc.make_ip_tables_util_chains()) {
    host_chains_ = std::make_unique<os::HostChains>(clock_, pool_, os::HostChains::Options{});
    scope_.Spawn("iptables", host_chains_->Run());
  }
  runtime::PodEvent event;
  event.warning = event.about_node = true;
  if (!node_.hierarchy->v2()) {
    event.reason = "CgroupV1";
    event.message = kCgroupV1Warning;
    OnNodeEvent(event);
  }
  if (kc.resolv_conf().empty()) return;
  auto dns = os::ReadResolvConf(kc.resolv_conf());
  event.reason = "CheckLimitsForResolvConf";
  if (!dns.ok()) {
    event.message = base::Message(dns.status());
  } else {
    runtime::DnsConfig config{dns->nameservers, dns->searches, dns->options};
    auto trouble = runtime::CheckResolvConf(kc.resolv_conf(), config, kc.cluster_domain());
    if (!trouble) return;
    event.message = *trouble;
  }
  OnNodeEvent(event);
}

}  // namespace kubelet::app
