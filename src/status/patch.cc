#include "status/patch.h"

#include "kubelet/api/patch.h"
#include "kubelet/base/status.h"

namespace kubelet::status {

absl::StatusOr<std::string> StatusPatch(const std::string& uid, const api::core::PodStatus& from,
                                        const api::core::PodStatus& to) {
  ASSIGN_OR_RETURN(std::string status, api::StrategicMergeDiff(from, to));
  if (status == "{}") return std::string();
  api::core::Pod pod;
  pod.mutable_metadata()->set_uid(uid);
  ASSIGN_OR_RETURN(std::string metadata, api::StrategicMergeDiff(api::core::Pod(), pod));
  metadata.pop_back();
  return metadata + ",\"status\":" + status + "}";
}

}  // namespace kubelet::status
