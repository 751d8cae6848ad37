// kind and apiVersion of a JSON document of unknown kind.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "kubelet/api/codec.h"

namespace kubelet::api {

// InvalidArgument when the document is no object, or kind or apiVersion no string. `well_formed`
// says whether the text is JSON as far as it was read: when it is not, it may still be YAML.
absl::StatusOr<TypeMeta> PeekJson(std::string_view json, bool& well_formed);

}  // namespace kubelet::api
