// The images that the runtime holds: one list for all who want to know (node status, garbage
// collection). Core loop only.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/base/promise.h"
#include "kubelet/runtime/container_runtime.h"

namespace kubelet::image {

using ImagesPtr = std::shared_ptr<const std::vector<runtime::Image>>;

class ImageList {
 public:
  ImageList(base::Executor executor, base::Clock& clock, runtime::ImageService& service);

  // The list as it was not longer than `max_age` ago; asks the runtime when it is older. Questions
  // at one time are one call. Codes are the runtime's; the old list stays.
  base::Task<absl::StatusOr<ImagesPtr>> Get(base::Nanos max_age);
  // What is known; null: nothing yet.
  const ImagesPtr& known() const { return known_; }
  // Something was pulled or removed: the next Get asks.
  void Outdate() { as_of_.reset(); }

 private:
  base::Executor executor_;
  base::Clock& clock_;
  runtime::ImageService& service_;
  ImagesPtr known_;
  std::optional<base::MonoTime> as_of_;
  bool asking_ = false;
  std::vector<base::Promise<bool>> waiting_;
};

}  // namespace kubelet::image
