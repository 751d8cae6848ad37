#include "app/static_objects.h"

namespace kubelet::app {

using base::Task;

namespace {

absl::Status NeedsApi() {
  return absl::FailedPreconditionError("needs the API server, which is not configured");
}

}  // namespace

Task<absl::StatusOr<volume::Token>> StaticObjects::ServiceAccountToken(api::PodPtr pod,
                                                                       std::string audience,
                                                                       int64_t expiration_seconds) {
  if (cluster_ == nullptr) co_return NeedsApi();
  co_return co_await cluster_->ServiceAccountToken(std::move(pod), std::move(audience),
                                                   expiration_seconds);
}

Task<absl::StatusOr<std::shared_ptr<const api::core::PersistentVolumeClaim>>> StaticObjects::Claim(
    std::string namespace_, std::string name) {
  if (cluster_ == nullptr) co_return NeedsApi();
  co_return co_await cluster_->Claim(std::move(namespace_), std::move(name));
}

Task<absl::StatusOr<std::shared_ptr<const api::core::PersistentVolume>>>
StaticObjects::PersistentVolume(std::string name) {
  if (cluster_ == nullptr) co_return NeedsApi();
  co_return co_await cluster_->PersistentVolume(std::move(name));
}

Task<absl::StatusOr<runtime::EnvList>> StaticObjects::ServiceEnvironment(api::PodPtr pod) {
  if (cluster_ == nullptr) co_return runtime::EnvList();
  co_return co_await cluster_->ServiceEnvironment(std::move(pod));
}

Task<absl::StatusOr<std::string>> StaticObjects::RuntimeHandler(std::string runtime_class) {
  if (cluster_ == nullptr) co_return NeedsApi();
  co_return co_await cluster_->RuntimeHandler(std::move(runtime_class));
}

}  // namespace kubelet::app
