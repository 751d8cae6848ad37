// Which addresses this node has, and which its pods are told.
#include <algorithm>

#include "absl/strings/str_join.h"
#include "app/kubelet.h"
#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/network_watch.h"

namespace kubelet::app {

using base::Task;
using std::chrono::seconds;
using Addresses = absl::StatusOr<std::vector<std::string>>;

namespace {

// Upstream looks every ten seconds, with the status of the node. We look when the kernel has news,
// no more often than that; what a resolver knows brings none, and is asked now and then.
constexpr base::Nanos kAtMostEvery = seconds(10), kWhileNone = seconds(2);
constexpr base::Nanos kNameEvery = seconds(60), kNameAtLeastEvery = std::chrono::minutes(5);

bool Same(const Addresses& a, const Addresses& b) {
  return a.ok() && b.ok() ? *a == *b : a.status() == b.status();
}

std::string Joined(const std::vector<std::string>& list) {
  return list.empty() ? "none" : absl::StrJoin(list, ", ");
}

}  // namespace

// A lease of DHCP that changes, a network that comes up after us. The address that the node's name
// resolves to goes before a guess from the routes, but nothing waits for DNS.
Task<void> Kubelet::FindAddresses() {
  base::WakeEvent news(io_.get_executor(), clock_);
  os::NetworkWatch watch(io_.get_executor(), [&news] { news.Notify(); });
  auto watched = watch.Start();
  if (!watched.ok())
    LOG_WARNING("No news of this machine's network; looking every minute", "err", watched);
  for (;;) {
    auto began = clock_.Mono();
    const auto last = node_.addresses.ok() ? *node_.addresses : std::vector<std::string>();
    std::function<Addresses()> work = [config = &config_, name = node_.name, last] {
      return NodeAddresses(*config, name, false, last);
    };
    auto found = co_await pool_.Run<std::vector<std::string>>(
        "node address", std::chrono::minutes(1), std::move(work));
    auto ended = clock_.Mono();
    TakeAddresses(std::move(found));
    bool have = node_.addresses.ok();
    const base::Nanos pause = have ? kAtMostEvery : kWhileNone;
    co_await base::SleepFor(clock_, pause);
    std::optional<base::MonoTime> again;
    if (!have) {
      again = ended + kAtMostEvery;
    } else if (!watched.ok() || NameMatters(config_)) {
      // A resolver that hangs holds a thread of the pool.
      again = ended + std::clamp<base::Nanos>(10 * (ended - began), kNameEvery, kNameAtLeastEvery);
    }
    co_await news.Wait(again);
  }
}

void Kubelet::TakeAddresses(Addresses found) {
  // That the look-up did not end says nothing of what was found before.
  bool unknown = absl::IsDeadlineExceeded(found.status()) && node_.addresses.ok();
  bool another = !unknown && !Same(found, node_.addresses);
  if (!found.ok() && (another || !node_.addresses_known))
    LOG_WARNING("No address for this node; looking again", "err", found.status());
  if (another) {
    if (found.ok()) LOG_INFO("Addresses of this node", "addresses", Joined(*found));
    node_.addresses = std::move(found);
    if (cluster_ && node_.addresses_known) cluster_->agent().Poke();
    UseHostIps();
  }
  SettleAddresses();
}

void Kubelet::SettleAddresses() {
  if (std::exchange(node_.addresses_known, true)) return;
  if (cluster_) cluster_->agent().Poke();
  for (const auto& pod : store_->All()) OnPodChange(pod->metadata().uid());
}

// Where what is in the host's network is reached, also before a cloud provider has named addresses.
std::vector<std::string> Kubelet::OwnAddresses() const {
  const auto& told = node_.context.host_ips;
  return told.empty() && node_.addresses.ok() ? *node_.addresses : told;
}

// The Node object has the last word: a cloud provider may know better.
void Kubelet::UseHostIps() {
  node::NodePtr node = cluster_ ? cluster_->agent().node() : nullptr;
  std::vector<std::string> ips = node_.context.host_ips;
  if (node) {
    ips = node::HostIps(*node);
  } else if (node_.addresses.ok() && !ProviderSaysAddresses(config_)) {
    ips = *node_.addresses;
  }
  if (ips == node_.context.host_ips) return;
  LOG_INFO("Pods are told other addresses of this node", "before", Joined(node_.context.host_ips),
           "now", Joined(ips));
  node_.context.host_ips = std::move(ips);
  for (const auto& pod : store_->All()) OnPodChange(pod->metadata().uid());
  // Some may wait for just that.
  for (const auto& view : workers_->Views()) workers_->Wake(view.uid);
}

}  // namespace kubelet::app
