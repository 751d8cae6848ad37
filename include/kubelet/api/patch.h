// Patches of Kubernetes objects: the strategic merge patch that the kubelet sends, and what a server does with the three
// kinds. Lists and objects merge by the field options patch_strategy and patch_merge_key (proto/kubelet/api/options.proto);
// behaviour as apimachinery's pkg/util/strategicpatch, 1.36. Pure functions on the JSON form; thread safe.
#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace kubelet::api {

// The JSON text of the two-way strategic merge patch that makes `to` out of `from`; "{}" when they are equal in JSON.
// Both of one type. Lists with a merge key carry $setElementOrder and `$patch: delete` as upstream's; a list in which two
// items share a merge key (a node's two InternalIP addresses) is sent whole with `$patch: replace`, where upstream's
// patch would mix the items up.
// InvalidArgument: types differ, or an item of a merge list has no merge key. The object is at fault, not the patch.
absl::StatusOr<std::string> StrategicMergeDiff(const google::protobuf::Message& from, const google::protobuf::Message& to);

// The appliers change `object` or, with an error, leave it alone. Fields of the protobuf form that we do not know are
// lost. InvalidArgument: the patch is malformed or its result is no such object (a server answers 400).
// FailedPrecondition: it does not fit this object, as a JSON patch with a failing `test` or a path that is not there
// (a server answers 422).
absl::Status ApplyStrategicMerge(const std::string& patch, google::protobuf::Message& object);
absl::Status ApplyMergePatch(const std::string& patch, google::protobuf::Message& object);  // RFC 7386
absl::Status ApplyJsonPatch(const std::string& patch, google::protobuf::Message& object);   // RFC 6902

}  // namespace kubelet::api
