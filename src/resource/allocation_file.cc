#include "kubelet/resource/allocation_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "kubelet/api/resources.h"
#include "kubelet/base/hash.h"
#include "kubelet/base/log.h"
#include "kubelet/os/file.h"

namespace kubelet::resource {

using api::core::ResourceRequirements;
using base::Task;

namespace {

constexpr char kKind[] = "allocations";
constexpr auto kTimeout = std::chrono::seconds(30);
constexpr auto kRetry = std::chrono::seconds(10);
constexpr size_t kMaxBytes = size_t{64} << 20;

template <typename Map>
void MakeCanonical(Map& map) {
  for (auto& [name, quantity] : map) quantity = api::Quantity::From(quantity).ToMessage();
}

// Equal amounts have equal text, so that what did not change is not written.
ResourceRequirements Canonical(ResourceRequirements resources) {
  MakeCanonical(*resources.mutable_limits());
  MakeCanonical(*resources.mutable_requests());
  return resources;
}

Task<absl::Status> WriteInPool(base::BlockingPool& pool, std::string path, std::string text) {
  std::string kind = kKind;
  std::function<absl::Status()> work = [path, text] {
    return os::WriteFileAtomic(path, text, 0600);
  };
  co_return co_await pool.RunStatus(std::move(kind), kTimeout, std::move(work));
}

}  // namespace

WriteFile WriteOn(base::BlockingPool& pool) {
  return [&pool](std::string path, std::string text) {
    return WriteInPool(pool, std::move(path), std::move(text));
  };
}

AllocationFile::AllocationFile(Deps deps, std::string path)
    : deps_(std::move(deps)), path_(std::move(path)), scope_(deps_.executor) {}

void AllocationFile::Load() {
  auto file = os::ReadRegularFile(path_, kMaxBytes);
  if (absl::IsNotFound(file.status())) return;
  absl::Status bad = file.status();
  if (file.ok()) {
    auto pods = DecodeAllocations(file->text);
    if (pods.ok()) {
      pods_ = *std::move(pods);
      written_ = base::Fnv1a64(file->text);
      return;
    }
    bad = pods.status();
  }
  std::string aside = path_ + ".bad";
  bool moved = std::rename(path_.c_str(), aside.c_str()) == 0;
  LOG_ERROR("Cannot read what pods were given; going on by what runs", "file", path_, "movedTo",
            moved ? aside : "cannot be moved: " + std::string(std::strerror(errno)), "err", bad);
}

const PodAllocation* AllocationFile::Get(const std::string& uid) const {
  auto it = pods_.find(uid);
  return it == pods_.end() ? nullptr : &it->second;
}

void AllocationFile::Set(const std::string& uid, PodAllocation allocation) {
  for (auto& [name, resources] : allocation.containers) resources = Canonical(std::move(resources));
  if (allocation.pod_level) allocation.pod_level = Canonical(*std::move(allocation.pod_level));
  pods_[uid] = std::move(allocation);
  WriteSoon();
}

void AllocationFile::SetContainer(const std::string& uid, const std::string& name,
                                  ResourceRequirements resources) {
  pods_[uid].containers[name] = Canonical(std::move(resources));
  WriteSoon();
}

void AllocationFile::SetPodLevel(const std::string& uid, ResourceRequirements resources) {
  pods_[uid].pod_level = Canonical(std::move(resources));
  WriteSoon();
}

void AllocationFile::KeepOnly(const std::set<std::string>& uids) {
  std::erase_if(pods_, [&](const auto& pod) { return !uids.contains(pod.first); });
}

void AllocationFile::WriteSoon() {
  dirty_ = true;
  if (std::exchange(writing_, true)) return;
  scope_.Spawn("write " + path_, Write());
}

Task<void> AllocationFile::Write() {
  while (dirty_) {
    dirty_ = false;
    auto waiting = std::exchange(waiting_, {});
    std::string text = EncodeAllocations(pods_);
    absl::Status status;
    if (uint64_t hash = base::Fnv1a64(text); hash != written_) {
      status = co_await deps_.write(path_, std::move(text));
      if (status.ok()) written_ = hash;
    }
    for (auto& promise : waiting) promise.Set(status.ok());
    if (status.ok()) continue;
    LOG_ERROR("Cannot write what pods were given; will retry", "file", path_, "err", status);
    dirty_ = true;
    co_await base::SleepFor(deps_.clock, kRetry);
  }
  writing_ = false;
}

Task<void> AllocationFile::Flushed() {
  if (!writing_) co_return;
  auto promise = std::make_shared<base::Promise<bool>>(deps_.executor);
  // The promise keeps its hook: one that kept the promise would never go.
  auto give_up = [weak = std::weak_ptr(promise)] {
    if (auto p = weak.lock()) p->Set(false);
  };
  promise->OnCancel(std::move(give_up));
  // What is under way may be older than what was set last.
  dirty_ = true;
  waiting_.push_back(*promise);
  co_await promise->Get();
}

}  // namespace kubelet::resource
