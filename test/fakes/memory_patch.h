// Merge patches on the JSON of an object, for MemoryApi.
#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/status.h"

namespace kubelet::test {

// Applies a merge patch, or a strategic merge patch when `strategic`: lists by their merge key,
// $patch: delete and replace, $retainKeys, $deleteFromPrimitiveList; $setElementOrder is passed
// over (new items come last). InvalidArgument when the result is no such object.
absl::Status ApplyPatch(google::protobuf::Message& object, const std::string& patch,
                        bool strategic);

}  // namespace kubelet::test
