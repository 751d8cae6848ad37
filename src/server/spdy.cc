#include "server/spdy.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "server/spdy_dictionary.h"

namespace kubelet::server {
namespace {

constexpr size_t kHead = 8;
constexpr size_t kBlockLimit = 64 * 1024;  // of a header block, unpacked

uint32_t Word(std::string_view bytes, size_t at) {
  auto byte = [&](size_t i) { return uint32_t{static_cast<unsigned char>(bytes[at + i])}; };
  return byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
}
void PutWord(uint32_t value, std::string& out) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
}

std::string Control(SpdyType type, uint8_t flags, const std::string& body) {
  std::string out;
  PutWord(0x80030000u | type, out);
  PutWord(uint32_t{flags} << 24 | static_cast<uint32_t>(body.size()), out);
  return out + body;
}

Bytef* Bytes(const char* text) { return reinterpret_cast<Bytef*>(const_cast<char*>(text)); }

// Names and values; nullopt: the block does not hold what its lengths say.
std::optional<Pairs> Split(std::string_view block) {
  size_t at = 0;
  auto number = [&](uint32_t& out) {
    if (block.size() - at < 4) return false;
    out = Word(block, at);
    at += 4;
    return true;
  };
  auto text = [&](std::string& out) {
    uint32_t size = 0;
    if (!number(size) || block.size() - at < size) return false;
    out = std::string(block.substr(at, size));
    at += size;
    return true;
  };
  uint32_t count = 0;
  if (!number(count)) return std::nullopt;
  Pairs out;
  for (uint32_t i = 0; i < count; ++i) {
    std::string name, value;
    if (!text(name) || !text(value)) return std::nullopt;
    out.emplace_back(std::move(name), std::move(value));
  }
  return out;
}

}  // namespace

bool SpdyFrame::Activity() const {
  return !control || type == kSynStream || type == kSynReply || type == kRstStream ||
         type == kHeaders;
}

size_t SpdyFrame::HeaderBlock() const {
  if (!control || !whole) return std::string_view::npos;
  size_t fixed = type == kSynStream                      ? 10
                 : type == kSynReply || type == kHeaders ? 4
                                                         : std::string_view::npos;
  return body.size() < fixed ? std::string_view::npos : fixed;
}

std::string SpdyCutter::Take(std::string bytes, const Sink& sink) {
  if (broken_) return bytes;
  if (!held_.empty()) {
    held_ += bytes;
    bytes = std::move(held_);
    held_.clear();
  }
  std::string_view in = bytes;
  size_t at = 0;
  while (at < in.size()) {
    if (passing_ > 0) {
      size_t n = std::min(passing_, in.size() - at);
      passing_ -= n;
      at += n;
      continue;
    }
    if (in.size() - at < kHead) break;
    uint32_t first = Word(in, at), second = Word(in, at + 4);
    size_t length = kHead + (second & 0xffffff);
    SpdyFrame frame;
    frame.control = (first & 0x80000000u) != 0;
    frame.flags = static_cast<uint8_t>(second >> 24);
    frame.whole = length <= kHold;
    if (frame.control) frame.type = static_cast<uint16_t>(first & 0xffff);
    if (frame.control && ((first >> 16) != 0x8003 || !frame.whole)) {
      broken_ = true;
      return bytes;
    }
    frame.stream = first & 0x7fffffff;
    if (!frame.whole) {
      passing_ = length;
    } else {
      if (in.size() - at < length) break;
      frame.body = in.substr(at + kHead, length - kHead);
      if (frame.control)
        frame.stream = frame.body.size() >= 4 ? Word(frame.body, 0) & 0x7fffffff : 0;
      at += length;
    }
    sink(frame);
  }
  held_ = bytes.substr(at);
  bytes.resize(at);
  return bytes;
}

struct SpdyInflater::State {
  z_stream z{};
  bool broken = false;
};

SpdyInflater::SpdyInflater() : state_(std::make_unique<State>()) {
  state_->broken = inflateInit(&state_->z) != Z_OK;
}
SpdyInflater::~SpdyInflater() { inflateEnd(&state_->z); }

std::optional<Pairs> SpdyInflater::Read(std::string_view block) {
  auto& z = state_->z;
  if (state_->broken) return std::nullopt;
  std::string out(kBlockLimit, '\0');
  z.next_in = Bytes(block.data());
  z.avail_in = static_cast<uInt>(block.size());
  z.next_out = Bytes(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  int result = inflate(&z, Z_SYNC_FLUSH);
  if (result == Z_NEED_DICT) {
    const auto& words = SpdyDictionary();
    if (inflateSetDictionary(&z, Bytes(words.data()), static_cast<uInt>(words.size())) == Z_OK)
      result = inflate(&z, Z_SYNC_FLUSH);
  }
  bool good = (result == Z_OK || (result == Z_BUF_ERROR && z.avail_in == 0)) && z.avail_out > 0;
  auto pairs =
      good ? Split(std::string_view(out).substr(0, out.size() - z.avail_out)) : std::nullopt;
  if (!pairs) state_->broken = true;
  return pairs;
}

struct SpdyDeflater::State {
  z_stream z{};
};

SpdyDeflater::SpdyDeflater() : state_(std::make_unique<State>()) {
  const auto& words = SpdyDictionary();
  deflateInit(&state_->z, Z_BEST_COMPRESSION);
  deflateSetDictionary(&state_->z, Bytes(words.data()), static_cast<uInt>(words.size()));
}
SpdyDeflater::~SpdyDeflater() { deflateEnd(&state_->z); }

std::string SpdyDeflater::Write(const Pairs& headers) {
  std::string block;
  PutWord(static_cast<uint32_t>(headers.size()), block);
  for (const auto& [name, value] : headers) {
    PutWord(static_cast<uint32_t>(name.size()), block);
    block += name;
    PutWord(static_cast<uint32_t>(value.size()), block);
    block += value;
  }
  auto& z = state_->z;
  std::string out(deflateBound(&z, block.size()) + 64, '\0');
  z.next_in = Bytes(block.data());
  z.avail_in = static_cast<uInt>(block.size());
  z.next_out = Bytes(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_SYNC_FLUSH);
  out.resize(out.size() - z.avail_out);
  return out;
}

std::string SpdyData(uint32_t stream, std::string_view data, bool fin) {
  std::string out;
  out.reserve(kHead + data.size());
  PutWord(stream & 0x7fffffff, out);
  PutWord((fin ? uint32_t{kSpdyFin} << 24 : 0) | static_cast<uint32_t>(data.size()), out);
  out += data;
  return out;
}

std::string SpdySynStream(uint32_t stream, const std::string& header_block) {
  std::string body;
  PutWord(stream, body);
  PutWord(0, body);           // no stream it belongs to
  body += std::string(2, 0);  // priority, slot
  return Control(kSynStream, 0, body + header_block);
}

std::string SpdyPing(uint32_t id) {
  std::string body;
  PutWord(id, body);
  return Control(kPing, 0, body);
}

}  // namespace kubelet::server
