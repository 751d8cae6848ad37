#include "kubelet/client/services.h"

#include <algorithm>
#include <utility>

namespace kubelet::client {
namespace {

namespace core = api::core;

char Upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string VariableName(std::string name) {
  for (char& c : name) c = c == '-' ? '_' : Upper(c);
  return name;
}

template <char (*kChange)(char)>
std::string Mapped(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), kChange);
  return text;
}

bool HasClusterIp(const core::Service& service) {
  const auto& ip = service.spec().cluster_ip();
  return !ip.empty() && ip != "None";
}

void AddLinks(const core::Service& service, Environment& out) {
  const std::string& ip = service.spec().cluster_ip();
  std::string host = ip.find(':') == std::string::npos ? ip : "[" + ip + "]";
  std::string prefix = VariableName(service.metadata().name()) + "_PORT";
  bool first = true;
  for (const auto& port : service.spec().ports()) {
    std::string protocol = port.protocol().empty() ? "TCP" : port.protocol();
    std::string number = std::to_string(port.port());
    std::string lower = Mapped<Lower>(protocol);
    std::string url = lower + "://" + host + ":" + number;
    if (std::exchange(first, false)) out[prefix] = url;
    std::string name = prefix + "_" + number + "_" + Mapped<Upper>(protocol);
    out[name] = url;
    out[name + "_PROTO"] = lower;
    out[name + "_PORT"] = number;
    out[name + "_ADDR"] = ip;
  }
}

void AddVariables(const core::Service& service, Environment& out) {
  std::string prefix = VariableName(service.metadata().name());
  out[prefix + "_SERVICE_HOST"] = service.spec().cluster_ip();
  const auto& ports = service.spec().ports();
  if (ports.empty()) return;
  std::string name = prefix + "_SERVICE_PORT";
  out[name] = std::to_string(ports[0].port());
  for (const auto& port : ports) {
    if (port.name().empty()) continue;
    out[name + "_" + VariableName(port.name())] = std::to_string(port.port());
  }
  AddLinks(service, out);
}

// A large cluster has thousands of services, and only these fields of them become variables.
MessagePtr Slim(MessagePtr object) {
  const auto& service = static_cast<const core::Service&>(*object);
  if (!HasClusterIp(service)) return nullptr;
  auto slim = std::make_shared<core::Service>();
  slim->mutable_metadata()->set_name(service.metadata().name());
  slim->mutable_metadata()->set_namespace_(service.metadata().namespace_());
  slim->mutable_spec()->set_cluster_ip(service.spec().cluster_ip());
  for (const auto& port : service.spec().ports()) {
    auto* copy = slim->mutable_spec()->add_ports();
    copy->set_name(port.name());
    copy->set_protocol(port.protocol());
    copy->set_port(port.port());
  }
  return slim;
}

Reflector::Options Everywhere() {
  Reflector::Options options;
  options.path.resource = kServices;
  options.item = &core::Service::default_instance();
  options.list = &core::ServiceList::default_instance();
  return options;
}

Collection::Hooks KeepSlim() {
  Collection::Hooks hooks;
  hooks.keep = Slim;
  return hooks;
}

}  // namespace

Environment ServiceEnvironment(const std::vector<ServicePtr>& services, const std::string& ns,
                               bool enable_links) {
  std::map<std::string, const core::Service*> chosen;
  for (const auto& service : services) {
    if (!HasClusterIp(*service)) continue;
    const auto& meta = service->metadata();
    bool master = meta.namespace_() == "default" && meta.name() == "kubernetes";
    if (master) {
      chosen[meta.name()] = service.get();
    } else if (meta.namespace_() == ns && enable_links) {
      chosen.emplace(meta.name(), service.get());
    }
  }
  Environment out;
  for (const auto& [name, service] : chosen) AddVariables(*service, out);
  return out;
}

ServiceLister::ServiceLister(Reflector::Deps deps)
    : services_(std::move(deps), Everywhere(), KeepSlim()) {}

base::Task<absl::StatusOr<Environment>> ServiceLister::Get(std::string ns, bool enable_links,
                                                           base::Nanos timeout) {
  services_.Start();
  bool synced = co_await services_.WaitSynced(timeout);
  if (!synced && timeout.count() > 0) {
    co_return absl::UnavailableError(
        "services have not yet been read at least once, cannot construct envvars");
  }
  std::vector<ServicePtr> services;
  for (auto& object : services_.All()) {
    services.push_back(std::static_pointer_cast<const core::Service>(std::move(object)));
  }
  co_return ServiceEnvironment(services, ns, enable_links);
}

}  // namespace kubelet::client
