// What every object of the API has in common, for code that does not know the kind. Pure functions.
#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "kubelet/api/types.h"
#include "kubelet/client/api.h"

namespace kubelet::client {

// metadata of an object; empty metadata when the message has none (it is not an object then).
const api::meta::ObjectMeta& MetaOf(const google::protobuf::Message& object);
api::meta::ObjectMeta& MutableMetaOf(google::protobuf::Message& object);  // an object only

// metadata of a list, `PodList`; empty when the message has none.
const api::meta::ListMeta& ListMetaOf(const google::protobuf::Message& list);

// Moves the items out of a list message: no object is copied. In the order of the list.
std::vector<MessagePtr> TakeItems(google::protobuf::Message& list);

}  // namespace kubelet::client
