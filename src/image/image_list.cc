#include "kubelet/image/image_list.h"

namespace kubelet::image {

using base::Task;

ImageList::ImageList(base::Executor executor, base::Clock& clock, runtime::ImageService& service)
    : executor_(std::move(executor)), clock_(clock), service_(service) {}

Task<absl::StatusOr<ImagesPtr>> ImageList::Get(base::Nanos max_age) {
  while (asking_) {
    base::Promise<bool> answered(executor_);
    waiting_.push_back(answered);
    co_await answered.Get();
  }
  base::MonoTime asked = clock_.Mono();
  if (as_of_ && asked - *as_of_ <= max_age) co_return known_;
  // Also when the task that asks is cancelled: whoever waits asks for itself then.
  struct Asking {
    explicit Asking(ImageList& l) : list(l) { list.asking_ = true; }
    ~Asking() {
      list.asking_ = false;
      for (auto& waiter : std::exchange(list.waiting_, {})) waiter.Set(true);
    }
    ImageList& list;
  };
  Asking asking(*this);
  auto images = co_await service_.ListImages();
  if (!images.ok()) co_return images.status();
  known_ = std::make_shared<const std::vector<runtime::Image>>(*std::move(images));
  as_of_ = asked;
  co_return known_;
}

}  // namespace kubelet::image
