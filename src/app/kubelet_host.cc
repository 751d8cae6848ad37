// What the kubelet does to its host, and tells of it.
#include "app/kubelet.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/resolv_conf.h"

namespace kubelet::app {

void Kubelet::OnNodeEvent(const runtime::PodEvent& event) {
  LOG_WARNING("Event", "node", node_.name, "reason", event.reason, "message", event.message);
  if (cluster_) cluster_->RecordNodeEvent(event.warning, event.reason, event.message);
}

void Kubelet::WatchHost() {
  const auto& kc = config_.kubelet;
  if (kc.make_ip_tables_util_chains()) {
    host_chains_ = std::make_unique<os::HostChains>(clock_, pool_, os::HostChains::Options{});
    scope_.Spawn("iptables", host_chains_->Run());
  }
  if (kc.resolv_conf().empty()) return;
  auto dns = os::ReadResolvConf(kc.resolv_conf());
  runtime::PodEvent event;
  event.warning = event.about_node = true;
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
