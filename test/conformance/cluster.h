// The API server that a run uses: one of its own in this process, or one of a kubeconfig. Core loop
// only.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "conformance/value.h"
#include "fakes/api_server.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/client/http_api.h"

namespace kubelet::conformance {

class Cluster {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
  };
  struct Options {
    std::string dir;         // for the keys and kubeconfigs of an own server
    std::string node;        // the node of the kubelet under test
    std::string kubeconfig;  // empty: an own server
    uint16_t port = 0;       // of an own server; 0: any
  };
  static absl::StatusOr<std::unique_ptr<Cluster>> Open(Deps deps, Options options);

  client::Api& api() { return *api_; }
  client::Credentials& credentials() { return *credentials_; }
  const client::ClientConfig& config() const { return config_; }
  fakes::ApiServer* own() { return own_.get(); }  // null with a kubeconfig

  // `object` says its kind. InvalidArgument: a kind or field that we do not know.
  base::Task<absl::Status> Create(Json object);
  base::Task<absl::StatusOr<Json>> Get(std::string plural, std::string ns, std::string name);
  base::Task<absl::Status> Patch(std::string plural, std::string ns, std::string name,
                                 std::string subresource, std::string type, Json patch);
  // No grace: the object's own. Nothing there is success.
  base::Task<absl::Status> Delete(std::string plural, std::string ns, std::string name,
                                  std::optional<int64_t> grace = std::nullopt);

 private:
  Cluster() = default;
  std::unique_ptr<fakes::ApiServer> own_;
  client::ClientConfig config_;
  std::unique_ptr<client::Credentials> credentials_;
  std::unique_ptr<client::HttpApi> api_;
};

}  // namespace kubelet::conformance
