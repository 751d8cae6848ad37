// Early returns for absl::Status. Codes say what the caller does next: Unavailable retry later, Aborted
// recompute, FailedPrecondition wait for a change, InvalidArgument reject the pod, NotFound success for deletes.
// Not usable around co_await (g++ 12 rejects a statement expression there): write the `if` out.
#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define KUBELET_CONCAT_INNER(a, b) a##b
#define KUBELET_CONCAT(a, b) KUBELET_CONCAT_INNER(a, b)

#define RETURN_IF_ERROR(expr)                          \
  do {                                                 \
    if (absl::Status s_ = (expr); !s_.ok()) return s_; \
  } while (false)

#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_INNER(KUBELET_CONCAT(status_or_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_INNER(tmp, lhs, expr) \
  auto tmp = (expr);                           \
  if (!tmp.ok()) return tmp.status();          \
  lhs = *std::move(tmp)

namespace kubelet::base {

// The same code with `prefix: ` before the message; OK stays OK.
absl::Status Annotate(const absl::Status& status, const std::string& prefix);

// `message` of a status as std::string (absl::string_view is not std's on Debian).
std::string Message(const absl::Status& status);

// Status for an errno value: NotFound for ENOENT, AlreadyExists for EEXIST, PermissionDenied for EACCES and
// EPERM, Unavailable for EAGAIN/EBUSY/EINTR, ResourceExhausted for ENOSPC/EDQUOT/EMFILE/ENFILE/ENOMEM,
// otherwise Internal. `what` names the operation and its object, for example "mkdir /x".
absl::Status ErrnoStatus(int error, const std::string& what);

}  // namespace kubelet::base
