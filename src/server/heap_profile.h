// What glibc tells of the heap (mallinfo2, malloc_info). It does not know who allocated what: the
// profile has one sample per part of the heap, under a made-up name, and says so in its comments.
// Thread safe; takes the locks of the arenas for a moment.
#pragma once

#include <string>

#include "server/profile_proto.h"

namespace kubelet::server {

// sample types inuse_space and reserved_space, in bytes.
Profile HeapProfile(int64_t now_nanos);
// The same for people, with malloc_info's account of every arena.
std::string HeapText();

}  // namespace kubelet::server
