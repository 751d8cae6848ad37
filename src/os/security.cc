#include "kubelet/os/security.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

namespace kubelet::os {

namespace fs = std::filesystem;

bool SelinuxEnabled(const std::string& root) {
  std::error_code ec;
  return fs::exists(root + "/sys/fs/selinux/enforce", ec);
}

std::vector<std::string> ThermalThrottlePaths(const std::string& root) {
  const std::string cpus = "/sys/devices/system/cpu";
  std::error_code ec;
  std::vector<int> numbers;
  for (const auto& entry : fs::directory_iterator(root + cpus, ec)) {
    std::string name = entry.path().filename().string();
    int number = 0;
    if (name.rfind("cpu", 0) != 0) continue;
    auto [end, error] = std::from_chars(name.data() + 3, name.data() + name.size(), number);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    std::error_code ignored;
    if (fs::exists(entry.path() / "thermal_throttle", ignored)) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  std::vector<std::string> paths;
  for (int number : numbers)
    paths.push_back(cpus + "/cpu" + std::to_string(number) + "/thermal_throttle");
  return paths;
}

}  // namespace kubelet::os
