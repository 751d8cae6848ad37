#include "kubelet/image/options.h"

namespace kubelet::image {

VerifyPolicy VerifyPolicyOf(const std::string& text) {
  if (text == "NeverVerify") return VerifyPolicy::kNever;
  if (text == "NeverVerifyAllowlistedImages") return VerifyPolicy::kNeverAllowlisted;
  if (text == "AlwaysVerify") return VerifyPolicy::kAlways;
  return VerifyPolicy::kNeverPreloaded;
}

void SetCredentialFiles(const std::string& root, const std::string& working_dir,
                        const std::string& home, ManagerOptions& options) {
  const std::string at_home = home.empty() ? working_dir : home;
  options.config_json = {root + "/config.json", working_dir + "/config.json",
                         at_home + "/.docker/config.json", "/.docker/config.json"};
  options.dockercfg = {root + "/.dockercfg", working_dir + "/.dockercfg", at_home + "/.dockercfg",
                       "/.dockercfg"};
}

}  // namespace kubelet::image
