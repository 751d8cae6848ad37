#include "kubelet/os/resolv_conf.h"

#include <fcntl.h>

#include <algorithm>
#include <sstream>

#include "kubelet/base/status.h"
#include "os/fd.h"

namespace kubelet::os {
namespace {

constexpr size_t kMaxFile = 10 << 20;

absl::StatusOr<std::string> ReadBounded(const std::string& path) {
  auto text = ReadSmallFile(AT_FDCWD, path, path);
  if (text.ok() && text->size() > kMaxFile)
    return absl::ResourceExhaustedError(path + ": longer than 10 MiB");
  return text;
}

std::string OptionName(const std::string& option) { return option.substr(0, option.find(':')); }

void SetOption(std::vector<std::string>& options, const std::string& option) {
  auto same = [&](const std::string& other) { return OptionName(other) == OptionName(option); };
  auto it = std::find_if(options.begin(), options.end(), same);
  if (it == options.end()) {
    options.push_back(option);
  } else {
    *it = option;
  }
}

}  // namespace

absl::StatusOr<ResolvConf> ParseResolvConf(const std::string& text) {
  ResolvConf conf;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::istringstream words(line);
    std::string key;
    if (!(words >> key) || key[0] == '#') continue;
    std::vector<std::string> values;
    for (std::string word; words >> word;) values.push_back(word);
    if (key == "nameserver") {
      if (values.empty()) {
        return absl::InvalidArgumentError("resolv.conf line " + std::to_string(number) +
                                          ": nameserver without address");
      }
      conf.nameservers.push_back(values[0]);
    } else if (key == "search") {
      conf.searches.clear();
      for (auto& domain : values) {
        if (domain == ".") continue;
        if (domain.back() == '.') domain.pop_back();
        conf.searches.push_back(domain);
      }
    } else if (key == "options") {
      for (const auto& option : values) SetOption(conf.options, option);
    }
  }
  return conf;
}

absl::StatusOr<ResolvConf> ReadResolvConf(const std::string& path) {
  auto text = ReadBounded(path);
  if (!text.ok()) return text.status();
  auto conf = ParseResolvConf(*text);
  if (!conf.ok()) return base::Annotate(conf.status(), path);
  return conf;
}

absl::StatusOr<std::string> ReadHostsFile(const std::string& path) { return ReadBounded(path); }

}  // namespace kubelet::os
