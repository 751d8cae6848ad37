// Services as environment variables of containers. Core loop only.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "k8s/core/v1/service.pb.h"
#include "kubelet/api/types.h"
#include "kubelet/client/collection.h"

namespace kubelet::client {

using Environment = std::map<std::string, std::string>;
using ServicePtr = std::shared_ptr<const api::core::Service>;

// What a container of namespace `ns` is told of services: those of its namespace when
// `enable_links`, and default/kubernetes always; <NAME>_SERVICE_HOST, _SERVICE_PORT(_<PORT NAME>),
// and the variables of Docker's links. Services without a cluster IP (empty, `None`) are left out.
// Pure. pkg/kubelet/envvars, Kubelet.getServiceEnvVarMap; where upstream's order is that of a hash
// map (two services whose variables have one name), the later name wins here, and
// default/kubernetes over a service of that name in `ns`.
Environment ServiceEnvironment(const std::vector<ServicePtr>& services, const std::string& ns,
                               bool enable_links);

// All services of the cluster, watched from the first question on; of each only what the variables
// need is kept.
class ServiceLister {
 public:
  explicit ServiceLister(Reflector::Deps deps);
  // Waits for the first list, `timeout` at most. Unavailable: it is not there yet, try again.
  // Static pods give a timeout of zero and take an empty environment then: they start without the
  // API.
  base::Task<absl::StatusOr<Environment>> Get(std::string ns, bool enable_links,
                                              base::Nanos timeout);

 private:
  Collection services_;
};

}  // namespace kubelet::client
