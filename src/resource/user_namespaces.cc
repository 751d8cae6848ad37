#include "kubelet/resource/user_namespaces.h"

#include <filesystem>
#include <random>
#include <set>

#include "kubelet/base/status.h"
#include "kubelet/os/file.h"
#include "kubelet/os/mount.h"

namespace kubelet::resource {

using base::Task;

namespace {

constexpr char kKind[] = "user namespaces";
constexpr char kFile[] = "/userns";
constexpr auto kTimeout = std::chrono::seconds(30);
constexpr size_t kMaxFile = 1 << 16;
constexpr int kFileMode = 0600;

uint64_t ByChance(uint64_t below) {
  std::random_device device;
  return std::uniform_int_distribution<uint64_t>(0, below - 1)(device);
}

// nullopt: the pod has none.
absl::StatusOr<std::optional<IdRange>> ReadBlock(const std::string& pod_dir) {
  auto file = os::ReadRegularFile(pod_dir + kFile, kMaxFile);
  if (absl::IsNotFound(file.status())) return std::optional<IdRange>();
  if (!file.ok()) return file.status();
  if (file->text.empty()) return std::optional<IdRange>();
  auto block = DecodeIdFile(file->text);
  if (!block.ok()) return base::Annotate(block.status(), pod_dir + kFile);
  return std::optional<IdRange>(*block);
}

// Numbers of the blocks that other pods have; those of a kubelet with blocks of another size take
// all that they touch. A file that cannot be read may mean any of them: then none is given.
absl::StatusOr<std::set<uint64_t>> Taken(const std::string& pods_dir, const IdRange& range,
                                         uint64_t size) {
  std::set<uint64_t> taken;
  std::error_code ec;
  std::filesystem::directory_iterator entries(pods_dir, ec);
  if (ec) return absl::FailedPreconditionError("cannot list " + pods_dir + ": " + ec.message());
  for (const auto& entry : entries) {
    if (!entry.is_directory(ec)) continue;  // not a pod's
    auto block = ReadBlock(entry.path().string());
    if (!block.ok()) {
      return absl::FailedPreconditionError(
          "the ids of pod " + entry.path().filename().string() +
          " are not known, so none can be given to another: " + base::Message(block.status()));
    }
    if (!*block || (*block)->length == 0) continue;
    uint64_t first = std::max((*block)->first, range.first);
    uint64_t end = std::min((*block)->first + (*block)->length, range.first + range.length);
    for (uint64_t id = first; id < end; id += size) taken.insert((id - range.first) / size);
    if (first < end) taken.insert((end - 1 - range.first) / size);
  }
  return taken;
}

absl::StatusOr<IdRange> Choose(const std::string& root_dir, const std::string& uid,
                               const IdRange& range, const UserNamespaceOptions& options) {
  std::string pods = root_dir + "/pods", pod_dir = pods + "/" + uid;
  auto own = ReadBlock(pod_dir);
  if (!own.ok()) return own.status();
  if (*own) return **own;
  uint64_t size = options.ids_per_pod, count = range.length / size;
  auto taken = Taken(pods, range, size);
  if (!taken.ok()) return taken.status();
  if (taken->size() >= count) {
    return absl::ResourceExhaustedError(
        "could not find an empty slot to allocate a user namespace");
  }
  uint64_t number = options.random ? options.random(count) : ByChance(count);
  while (taken->contains(number)) number = (number + 1) % count;
  IdRange block{range.first + number * size, size};
  RETURN_IF_ERROR(os::WriteFileAtomic(pod_dir + kFile, EncodeIdFile(block), kFileMode));
  return block;
}

}  // namespace

UserNamespaces::UserNamespaces(base::Executor executor, base::Clock& clock,
                               base::BlockingPool& pool, UserNamespaceOptions options)
    : pool_(pool), options_(std::move(options)), writer_(std::move(executor), clock, 1) {
  if (!options_.find_range) {
    options_.find_range = [size = options_.ids_per_pod] { return FindIdRange(size); };
  }
}

Task<absl::StatusOr<IdRange>> UserNamespaces::Ensure(std::string uid) {
  if (!os::IsPathComponent(uid))
    co_return absl::InvalidArgumentError("uid `" + uid + "` is no directory name");
  auto turn = co_await writer_.Acquire();
  if (range_.length == 0) {
    auto find = options_.find_range;
    auto found = co_await pool_.Run<IdRange>(kKind, kTimeout, std::move(find));
    absl::Status usable = found.status();
    if (found.ok()) usable = CheckIdRange(*found, options_.ids_per_pod, options_.max_pods);
    if (!usable.ok()) co_return base::Annotate(usable, "kubelet mappings");
    range_ = *found;
  }
  std::function<absl::StatusOr<IdRange>()> work = [uid, range = range_, options = options_] {
    return Choose(options.root_dir, uid, range, options);
  };
  auto block = co_await pool_.Run<IdRange>(kKind, kTimeout, std::move(work));
  if (!block.ok()) co_return base::Annotate(block.status(), "user namespace");
  co_return block;
}

Task<absl::Status> UserNamespaces::Release(std::string uid) {
  if (!os::IsPathComponent(uid))
    co_return absl::InvalidArgumentError("uid `" + uid + "` is no directory name");
  std::function<absl::Status()> work = [path = options_.root_dir + "/pods/" + uid + kFile] {
    return os::RemoveFile(path);
  };
  co_return co_await pool_.RunStatus(kKind, kTimeout, std::move(work));
}

}  // namespace kubelet::resource
