#include "kubelet/base/status.h"

#include <cerrno>
#include <cstring>

namespace kubelet::base {

std::string Message(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

absl::Status Annotate(const absl::Status& status, const std::string& prefix) {
  if (status.ok()) return status;
  return absl::Status(status.code(), prefix + ": " + Message(status));
}

absl::Status ErrnoStatus(int error, const std::string& what) {
  std::string text = what + ": " + std::strerror(error);
  switch (error) {
    case 0: return absl::OkStatus();
    case ENOENT: return absl::NotFoundError(text);
    case EEXIST: return absl::AlreadyExistsError(text);
    case EACCES:
    case EPERM: return absl::PermissionDeniedError(text);
    case EAGAIN:
    case EBUSY:
    case EINTR: return absl::UnavailableError(text);
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return absl::ResourceExhaustedError(text);
    default: return absl::InternalError(text);
  }
}

}  // namespace kubelet::base
