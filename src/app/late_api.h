// The API client for those that are made before it is known where the server is: until then every
// call is Unavailable, with the reason. Core loop only.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kubelet/client/api.h"

namespace kubelet::app {

class LateApi : public client::Api {
 public:
  void Set(std::unique_ptr<client::Api> api) { api_ = std::move(api); }
  // Why there is none yet.
  void SetReason(absl::Status reason) { reason_ = std::move(reason); }

  base::Task<absl::Status> Do(client::Call call, google::protobuf::Message* out) override {
    if (api_) return api_->Do(std::move(call), out);
    return Refuse(reason_);
  }
  base::Task<absl::StatusOr<std::unique_ptr<client::WatchStream>>> Watch(
      client::ObjectPath path, std::vector<std::pair<std::string, std::string>> query,
      const google::protobuf::Message* prototype) override {
    if (api_) return api_->Watch(std::move(path), std::move(query), prototype);
    return RefuseWatch(reason_);
  }

 private:
  static base::Task<absl::Status> Refuse(absl::Status reason) { co_return reason; }
  static base::Task<absl::StatusOr<std::unique_ptr<client::WatchStream>>> RefuseWatch(
      absl::Status reason) {
    co_return reason;
  }
  std::unique_ptr<client::Api> api_;
  absl::Status reason_ = absl::UnavailableError("the kubeconfig was not read yet");
};

}  // namespace kubelet::app
