// What pulling asks the API server for.
#include "app/cluster.h"
#include "k8s/core/v1/service.pb.h"

namespace kubelet::app {

using base::Task;

// Asked for each time, as upstream: only plugins that want tokens need it.
Task<absl::StatusOr<image::ServiceAccountFacts>> Cluster::ServiceAccount(std::string namespace_,
                                                                         std::string name) {
  client::Call call;
  call.path.resource = client::kServiceAccounts;
  call.path.namespace_ = std::move(namespace_);
  call.path.name = std::move(name);
  k8s::io::api::core::v1::ServiceAccount account;
  auto status = co_await api_.Do(std::move(call), &account);
  if (!status.ok()) co_return status;
  image::ServiceAccountFacts facts;
  facts.uid = account.metadata().uid();
  const auto& annotations = account.metadata().annotations();
  facts.annotations.insert(annotations.begin(), annotations.end());
  co_return facts;
}

Task<absl::StatusOr<std::string>> Cluster::PullToken(api::PodPtr pod, std::string audience,
                                                     std::string account_uid) {
  client::TokenRequest request;
  request.ns = pod->metadata().namespace_();
  request.service_account = pod->spec().service_account_name();
  request.service_account_uid = std::move(account_uid);
  request.audiences.push_back(std::move(audience));
  request.pod_name = pod->metadata().name();
  request.pod_uid = pod->metadata().uid();
  auto token = co_await tokens_->Get(std::move(request));
  if (!token.ok()) co_return token.status();
  co_return (*token)->token;
}

}  // namespace kubelet::app
