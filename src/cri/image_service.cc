#include "kubelet/cri/image_service.h"

#include "cri/call.h"
#include "cri/convert.h"
#include "cri/list.h"

namespace kubelet::cri {

using Images = v1::ImageService::Stub;

GrpcImageService::GrpcImageService(const CriConnection& connection) : core_(connection.core()) {}
GrpcImageService::~GrpcImageService() = default;

base::Task<absl::StatusOr<std::vector<runtime::Image>>> GrpcImageService::ListImages() {
  return ListAll<ImageList>(core_, v1::ListImagesRequest());
}

base::Task<absl::StatusOr<std::optional<runtime::Image>>> GrpcImageService::ImageStatus(
    runtime::ImageSpec image) {
  auto call = NewCall<v1::ImageStatusRequest, v1::ImageStatusResponse>();
  *call->request.mutable_image() = ToProto(image);
  absl::Status status =
      co_await Invoke(core_, "image_status", core_->images.get(), &Images::PrepareAsyncImageStatus,
                      call, core_->options.request_timeout);
  if (!status.ok()) co_return status;
  std::optional<runtime::Image> found;
  if (!call->response.has_image()) co_return found;
  if (call->response.image().id().empty() || call->response.image().size() == 0) {
    co_return absl::InternalError("ImageStatus: id or size of image \"" + image.image +
                                  "\" is not set");
  }
  found = FromProto(call->response.image());
  co_return found;
}

base::Task<absl::StatusOr<std::string>> GrpcImageService::PullImage(
    runtime::ImageSpec image, std::optional<runtime::AuthConfig> auth,
    runtime::SandboxConfig sandbox) {
  auto call = NewCall<v1::PullImageRequest, v1::PullImageResponse>();
  *call->request.mutable_image() = ToProto(image);
  if (auth) *call->request.mutable_auth() = ToProto(*auth);
  *call->request.mutable_sandbox_config() = ToProto(sandbox);
  std::optional<base::Nanos> no_limit;
  absl::Status status = co_await Invoke(core_, "pull_image", core_->images.get(),
                                        &Images::PrepareAsyncPullImage, call, no_limit);
  if (!status.ok()) co_return status;
  if (call->response.image_ref().empty()) {
    co_return absl::InternalError("PullImage: the reference of image \"" + image.image +
                                  "\" is not set");
  }
  co_return call->response.image_ref();
}

base::Task<absl::Status> GrpcImageService::RemoveImage(std::string image) {
  auto call = NewCall<v1::RemoveImageRequest, v1::RemoveImageResponse>();
  call->request.mutable_image()->set_image(image);
  return Invoke(core_, "remove_image", core_->images.get(), &Images::PrepareAsyncRemoveImage, call,
                core_->options.request_timeout);
}

base::Task<absl::StatusOr<runtime::ImageService::FsInfo>> GrpcImageService::ImageFsInfo() {
  auto call = NewCall<v1::ImageFsInfoRequest, v1::ImageFsInfoResponse>();
  absl::Status status =
      co_await Invoke(core_, "image_fs_info", core_->images.get(), &Images::PrepareAsyncImageFsInfo,
                      call, core_->options.request_timeout);
  if (!status.ok()) co_return status;
  FsInfo info;
  for (const auto& usage : call->response.image_filesystems())
    info.image_filesystems.push_back(FromProto(usage));
  for (const auto& usage : call->response.container_filesystems()) {
    info.container_filesystems.push_back(FromProto(usage));
  }
  co_return info;
}

}  // namespace kubelet::cri
