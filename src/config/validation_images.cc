// Image pulls, image garbage collection, container logs.
#include <algorithm>
#include <array>
#include <cctype>

#include "config/text.h"
#include "config/validation.h"
#include "kubelet/api/quantity.h"
#include "kubelet/base/time.h"

namespace kubelet::config {
namespace {

// What is wrong with an image name without tag and digest, or with one that ends in /*; empty when
// nothing is.
std::string PatternProblem(const std::string& pattern) {
  if (pattern != Trim(pattern)) return "must not begin or end with blanks";
  bool wildcard = pattern.size() >= 2 && pattern.compare(pattern.size() - 2, 2, "/*") == 0;
  std::string name = wildcard ? pattern.substr(0, pattern.size() - 1) : pattern;
  if (name.empty()) return "must not be empty";
  if (name.find('*') != std::string::npos) return "may hold a * only as the last path segment";
  if (wildcard) return name.size() == 1 ? "needs at least the host of a registry" : "";
  size_t slash = name.rfind('/');
  bool tagged = name.find(':', slash == std::string::npos ? 0 : slash) != std::string::npos;
  if (tagged || name.find('@') != std::string::npos) return "must not have a tag or digest";
  bool readable = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::islower(c) || std::isdigit(c) ||
           std::string("._-/:").find(static_cast<char>(c)) != std::string::npos;
  });
  // The host may be written with capitals.
  std::string path = slash == std::string::npos ? name : name.substr(name.find('/'));
  bool capital_in_path =
      std::any_of(path.begin(), path.end(), [](unsigned char c) { return std::isupper(c); });
  bool capital_only = !readable && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || std::string("._-/:").find(static_cast<char>(c)) != std::string::npos;
  });
  if ((!readable && !capital_only) || capital_in_path) return "is no image name";
  bool empty_segment =
      name.front() == '/' || name.back() == '/' || name.find("//") != std::string::npos;
  return empty_segment ? "is no image name" : "";
}

void CheckVerification(const RuleContext& rules) {
  const auto& config = rules.config;
  if (!rules.gates.Enabled("KubeletEnsureSecretPulledImages")) return;
  constexpr std::array<const char*, 4> kPolicies = {"NeverVerify", "NeverVerifyPreloadedImages",
                                                    "NeverVerifyAllowlistedImages", "AlwaysVerify"};
  const std::string& policy = config.image_pull_credentials_verification_policy();
  if (std::find(kPolicies.begin(), kPolicies.end(), policy) == kPolicies.end()) {
    rules.Add("imagePullCredentialsVerificationPolicy",
              "is " + Quote(policy) +
                  ", must be NeverVerify, NeverVerifyPreloadedImages, NeverVerifyAllowlistedImages "
                  "or AlwaysVerify");
  }
  const auto& allowed = config.preloaded_images_verification_allowlist();
  if (!allowed.empty() && policy != "NeverVerifyAllowlistedImages") {
    rules.Add("preloadedImagesVerificationAllowlist",
              "needs imagePullCredentialsVerificationPolicy NeverVerifyAllowlistedImages");
    return;
  }
  for (const std::string& pattern : allowed) {
    if (std::string problem = PatternProblem(pattern); !problem.empty()) {
      rules.Add("preloadedImagesVerificationAllowlist", Quote(pattern) + " " + problem);
    }
  }
}

std::string Age(const k8s::io::apimachinery::pkg::apis::meta::v1::Duration& duration) {
  return base::GoDuration(base::Nanos(duration.duration()));
}

}  // namespace

void CheckImages(const RuleContext& rules) {
  const auto& config = rules.config;
  if (config.image_gc_low_threshold_percent() >= config.image_gc_high_threshold_percent()) {
    rules.Add("imageGCLowThresholdPercent",
              "is " + std::to_string(config.image_gc_low_threshold_percent()) +
                  ", must be less than imageGCHighThresholdPercent " +
                  std::to_string(config.image_gc_high_threshold_percent()));
  }
  int64_t oldest = config.image_maximum_gc_age().duration();
  if (oldest > 0 && oldest <= config.image_minimum_gc_age().duration()) {
    rules.Add("imageMaximumGCAge", "is " + Age(config.image_maximum_gc_age()) +
                                       ", must be greater than imageMinimumGCAge " +
                                       Age(config.image_minimum_gc_age()));
  }
  if (config.serialize_image_pulls() && config.max_parallel_image_pulls() > 1) {
    rules.Add("maxParallelImagePulls", "is " + std::to_string(config.max_parallel_image_pulls()) +
                                           ", must be 1 unless serializeImagePulls is false");
  }
  if (!api::Quantity::Parse(config.container_log_max_size()).ok()) {
    rules.Add("containerLogMaxSize",
              "is " + Quote(config.container_log_max_size()) + ", must be a quantity");
  }
  CheckVerification(rules);
}

}  // namespace kubelet::config
