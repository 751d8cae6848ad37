#include "conformance/node_files.h"

#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace kubelet::conformance {

namespace fs = std::filesystem;

void UnmountBelow(const std::string& dir) {
  std::ifstream in("/proc/self/mounts");
  std::vector<std::string> points;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string device, point;
    words >> device >> point;
    if (point.rfind(dir + "/", 0) == 0) points.push_back(point);
  }
  for (auto point = points.rbegin(); point != points.rend(); ++point)
    umount2(point->c_str(), MNT_DETACH);
}

void RemoveLinksInto(const std::string& dir, const std::string& target) {
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(dir, ec)) {
    std::error_code ignored;
    if (!entry.is_symlink(ignored)) continue;
    if (fs::read_symlink(entry.path(), ignored).string().rfind(target, 0) == 0)
      fs::remove(entry.path(), ignored);
  }
}

}  // namespace kubelet::conformance
