// A long text that is made while it is sent, so that it is never in memory as a whole.
#pragma once

#include <functional>
#include <string>

namespace kubelet::base {

// Each call puts the next piece, some 64 KiB and never nothing, into `out` in place of what was there; false: there is
// no more, and `out` is empty. It owns what it needs: on any thread, one call at a time.
using TextPieces = std::function<bool(std::string& out)>;

}  // namespace kubelet::base
