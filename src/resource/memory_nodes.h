// Booking memory on NUMA nodes. Pure.
#pragma once

#include "resource/memory_state.h"

namespace kubelet::resource {

// Puts a block on its nodes, of which only `bytes` are new: the first node gives what it has, then
// the next. False: a node or the kind of memory is not there.
bool TakeMemory(const MemoryBlock& block, uint64_t bytes, MemoryNodes& nodes);
void ReturnMemory(const MemoryBlock& block, MemoryNodes& nodes);
// What differs, empty: nothing. Inside of a group it does not matter which node gave what.
std::string CompareMemory(const MemoryNodes& a, const MemoryNodes& b);

}  // namespace kubelet::resource
