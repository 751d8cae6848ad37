// SPDY/3.1 as Kubernetes' streams use it: frames, and header blocks under zlib with a fixed
// dictionary. There is no flow control (moby/spdystream has none). Pure, and safe with any bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/request.h"

namespace kubelet::server {

enum SpdyType : uint16_t {
  kSynStream = 1,
  kSynReply = 2,
  kRstStream = 3,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7,
  kHeaders = 8,
  kWindowUpdate = 9,
};
inline constexpr uint8_t kSpdyFin = 1;

struct SpdyFrame {
  bool control = false;
  uint16_t type = 0;  // of a control frame
  uint8_t flags = 0;
  uint32_t stream = 0;    // of a control frame: its first word, where that is a stream
  std::string_view body;  // after the eight bytes of its head; empty unless `whole`
  bool whole = true;
  // It carries something for people or programs; keep-alives do not.
  bool Activity() const;
  // Where a header block begins in `body`; npos: the frame has none.
  size_t HeaderBlock() const;
};

// Cuts a stream of bytes into frames. Bytes are handed on frame by frame, so that something can be
// put between them at any time; only frames longer than kHold go on in parts.
class SpdyCutter {
 public:
  using Sink = std::function<void(const SpdyFrame&)>;
  // What may go on; `sink` sees each frame in it, before the next is looked at.
  std::string Take(std::string bytes, const Sink& sink);
  // A frame may be put after what went on.
  bool between() const { return passing_ == 0 && !broken_; }
  // It is not SPDY/3: everything goes on unseen.
  bool broken() const { return broken_; }
  static constexpr size_t kHold = 128 * 1024;

 private:
  std::string held_;
  size_t passing_ = 0;
  bool broken_ = false;
};

// Header blocks of one direction, in the order of their frames: they share one compression context.
class SpdyInflater {
 public:
  SpdyInflater();
  ~SpdyInflater();
  // nullopt: broken, also for all that follow.
  std::optional<Pairs> Read(std::string_view block);

 private:
  struct State;
  std::unique_ptr<State> state_;
};
class SpdyDeflater {
 public:
  SpdyDeflater();
  ~SpdyDeflater();
  std::string Write(const Pairs& headers);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string SpdyData(uint32_t stream, std::string_view data, bool fin);
std::string SpdySynStream(uint32_t stream, const std::string& header_block);
std::string SpdyPing(uint32_t id);

}  // namespace kubelet::server
