// The image tag as far as the default pull policy needs it. Internal to the room.
#pragma once

#include <string>

namespace kubelet::api {

// Always for `latest`, written or implied; IfNotPresent for every other tag, a digest alone, and
// text that is no image reference (pkg/util/parsers ParseImageName, distribution reference
// grammar).
const char* PullPolicyByTag(const std::string& image);

}  // namespace kubelet::api
