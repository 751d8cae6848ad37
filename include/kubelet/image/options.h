// How images are pulled and who may use them, out of the configuration. Values.
#pragma once

#include <string>
#include <vector>

#include "kubelet/base/time.h"
#include "kubelet/image/plugin_config.h"

namespace kubelet::image {

// imagePullCredentialsVerificationPolicy.
enum class VerifyPolicy { kNever, kNeverPreloaded, kNeverAllowlisted, kAlways };

struct VerifyOptions {
  std::string dir;  // <root>/image_manager; empty: gate KubeletEnsureSecretPulledImages is off
  VerifyPolicy policy = VerifyPolicy::kNeverPreloaded;
  std::vector<std::string> allowlist;  // images without tag, or `prefix/*`
};
// NeverVerify, NeverVerifyPreloadedImages, ...; anything else is kNeverPreloaded, the default.
VerifyPolicy VerifyPolicyOf(const std::string& text);

struct ManagerOptions {
  int parallel_pulls = 1;  // serializeImagePulls, or maxParallelImagePulls; 0: no limit
  double pull_qps = 5;     // registryPullQPS; 0: no limit
  int pull_burst = 10;     // registryBurst
  base::Nanos backoff_initial = std::chrono::seconds(10);
  base::Nanos backoff_max = std::chrono::seconds(300);
  base::Nanos show_error_for = std::chrono::seconds(1);  // ErrImagePull, then ImagePullBackOff
  // A pull that takes longer gives its place to the next one: it may hang, and must not hold up
  // other pods.
  base::Nanos slow_pull = std::chrono::seconds(30);
  // How long a positive ImageStatus is believed; CreateContainer notices a lie (Forget).
  base::Nanos present_for = std::chrono::seconds(5);
  bool handler_in_spec = false;  // gate RuntimeClassInImageCriApi
  VerifyOptions verify;
  std::vector<std::string> config_json, dockercfg;  // credential files of the node, in order
  PluginConfig plugins;
};

// Where upstream looks for credential files: `root` is --root-dir, `home` may be empty.
void SetCredentialFiles(const std::string& root, const std::string& working_dir,
                        const std::string& home, ManagerOptions& options);

}  // namespace kubelet::image
