// What a configMap volume costs: `config_map_bench [KEYS [PODS [BYTES [DIR]]]]`. PODS pods (200)
// with one volume of KEYS keys (100) of BYTES each (1000) are prepared through PodVolumes below DIR
// (a new directory in $TMPDIR), then looked at again unchanged, updated in one key, and torn down; at
// last pods come and go one after another, each made right after another was removed. The object is
// in memory: what the API server takes is not ours. Prints wall time and CPU of the process for each.
//
// An ext4 without a journal passes over the inodes that were freed in the last half minute, one by
// one, whenever it makes a file (recently_deleted in fs/ext4/ialloc.c; test: is there a
// /proc/fs/jbd2/<device>?). There this measures what else was removed from the disk: make one with a
// journal, `mkfs.ext4 IMAGE; mount -o loop IMAGE DIR`, and give DIR.
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "kubelet/base/clock.h"
#include "kubelet/volume/volume.h"

using namespace kubelet;

namespace {

using MapPtr = std::shared_ptr<const api::core::ConfigMap>;

struct Memory : volume::Objects {
  MapPtr map;
  base::Task<absl::StatusOr<MapPtr>> ConfigMap(std::string, std::string) override { co_return map; }
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::Secret>>> Secret(
      std::string, std::string) override {
    co_return absl::NotFoundError("no");
  }
  base::Task<absl::StatusOr<volume::Token>> ServiceAccountToken(api::PodPtr, std::string,
                                                                int64_t) override {
    co_return absl::NotFoundError("no");
  }
};

MapPtr MakeMap(int keys, int bytes, char fill) {
  auto map = std::make_shared<api::core::ConfigMap>();
  for (int i = 0; i < keys; ++i)
    (*map->mutable_data())["key-" + std::to_string(i)] =
        std::string(static_cast<size_t>(bytes), i == 0 ? fill : 'x');
  return map;
}

api::PodPtr MakePod(int number) {
  auto pod = std::make_shared<api::core::Pod>();
  pod->mutable_metadata()->set_name("p" + std::to_string(number));
  pod->mutable_metadata()->set_namespace_("bench");
  pod->mutable_metadata()->set_uid("uid-" + std::to_string(number));
  auto* volume = pod->mutable_spec()->add_volumes();
  volume->set_name("v");
  volume->mutable_volume_source()->mutable_config_map()->mutable_local_object_reference()->set_name(
      "map");
  auto* container = pod->mutable_spec()->add_containers();
  container->set_name("c");
  container->add_volume_mounts()->set_name("v");
  return pod;
}

double CpuMs() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  auto ms = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3;
  };
  return ms(use.ru_utime) + ms(use.ru_stime);
}

base::Task<void> Await(base::Task<absl::Status> task, absl::Status* out) {
  *out = co_await std::move(task);
}

base::Task<absl::Status> StatusOf(base::Task<absl::StatusOr<volume::VolumeMap>> task) {
  auto result = co_await std::move(task);
  co_return result.status();
}

base::Task<absl::Status> ComeAndGo(volume::PodVolumes& volumes, std::string gone,
                                   api::PodPtr come) {
  std::string next = come->metadata().uid();
  auto status = co_await volumes.Teardown(std::move(gone));
  if (!status.ok()) co_return status;
  auto made = co_await volumes.Prepare(std::move(come));
  if (!made.ok()) co_return made.status();
  co_return co_await volumes.Teardown(std::move(next));
}

// Runs `step` for each pod, one after another.
void Measure(boost::asio::io_context& io, const char* what, int pods,
             const std::function<base::Task<absl::Status>(int)>& step) {
  std::vector<double> wall;
  double cpu = CpuMs();
  for (int i = 0; i < pods; ++i) {
    auto begun = std::chrono::steady_clock::now();
    absl::Status status;
    base::TaskScope scope(io.get_executor());
    scope.Spawn("bench", Await(step(i), &status));
    io.restart();
    while (scope.size() > 0) io.run_one();
    if (!status.ok()) {
      std::printf("%s: %s\n", what, status.ToString().c_str());
      std::exit(1);
    }
    wall.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun)
            .count());
  }
  cpu = (CpuMs() - cpu) / pods;
  std::sort(wall.begin(), wall.end());
  std::printf("%-24s p50 %7.2f ms   p99 %7.2f ms   CPU %6.2f ms\n", what, wall[wall.size() / 2],
              wall[wall.size() * 99 / 100], cpu);
}

}  // namespace

int main(int argc, char** argv) {
  int keys = argc > 1 ? std::atoi(argv[1]) : 100, pods = argc > 2 ? std::atoi(argv[2]) : 200;
  int bytes = argc > 3 ? std::atoi(argv[3]) : 1000;
  std::string place = argc > 4 ? argv[4] : std::filesystem::temp_directory_path().string();
  std::string root = place + "/config-map-bench-XXXXXX";
  if (mkdtemp(root.data()) == nullptr) return 1;
  boost::asio::io_context io{1};
  base::RealClock clock(io);
  base::BlockingPool pool(io.get_executor(), clock, {});
  Memory memory;
  memory.map = MakeMap(keys, bytes, 'a');
  volume::VolumeOptions options;
  options.root_dir = root;
  options.objects = &memory;
  volume::PodVolumes volumes(io.get_executor(), clock, pool, options);
  std::printf("%d pods, %d keys of %d bytes, below %s\n", pods, keys, bytes, place.c_str());
  Measure(io, "first", pods, [&](int i) { return StatusOf(volumes.Prepare(MakePod(i))); });
  Measure(io, "again, unchanged", pods,
          [&](int i) { return StatusOf(volumes.Prepare(MakePod(i))); });
  memory.map = MakeMap(keys, bytes, 'b');
  Measure(io, "one key another", pods, [&](int i) { return volumes.Refresh(MakePod(i)); });
  Measure(io, "teardown", pods,
          [&](int i) { return volumes.Teardown("uid-" + std::to_string(i)); });
  Measure(io, "one goes, one comes", pods, [&](int i) {
    return ComeAndGo(volumes, "uid-" + std::to_string(i), MakePod(pods + i));
  });
  std::error_code ignored;
  std::filesystem::remove_all(root, ignored);
  return 0;
}
