// Any bytes through the eyes of a stream's guard: everything goes on, nothing twice, in whatever
// pieces it comes. And header blocks: any bytes as one, and what is packed comes out again.
#include <algorithm>
#include <cstdlib>

#include "server/stream_guard.h"

namespace {

using namespace kubelet::server;

void Guard(const std::string& bytes) {
  size_t size = bytes.size();
  for (auto kind : {StreamGuard::Kind::kSpdy, StreamGuard::Kind::kWebSocket}) {
    StreamGuard whole(kind, true, "v4.channel.k8s.io"), parts(kind, true, "v4.channel.k8s.io");
    bool activity = false;
    std::string a = whole.FromClient(bytes, activity);
    whole.FromRuntime(bytes, activity);
    std::string b;
    for (size_t at = 0; at < size; at += size % 5 + 1)
      b += parts.FromClient(bytes.substr(at, size % 5 + 1), activity);
    if (a != b || bytes.compare(0, a.size(), a) != 0) abort();
    whole.LastWords("why");
  }
}

// Names and values out of any bytes: the first byte of a piece is its length.
Pairs Words(std::string_view bytes) {
  Pairs out;
  std::string name;
  for (bool second = false; !bytes.empty(); second = !second) {
    size_t size = std::min<size_t>(static_cast<unsigned char>(bytes[0]), bytes.size() - 1);
    std::string word(bytes.substr(1, size));
    bytes.remove_prefix(size + 1);
    if (second) out.emplace_back(std::move(name), std::move(word));
    if (!second) name = std::move(word);
  }
  return out;
}

// A stream that is opened with these headers: its frame is cut out whole, and read.
void Headers(std::string_view bytes) {
  Pairs first = Words(bytes), second = {{"streamtype", "error"}};
  size_t total = 4;
  for (const auto& [name, value] : first) total += 8 + name.size() + value.size();
  SpdyDeflater deflater;
  std::string stream = SpdySynStream(1, deflater.Write(first));
  stream += SpdyData(1, bytes, false);
  stream += SpdySynStream(3, deflater.Write(second));
  SpdyInflater inflater;
  SpdyCutter cutter;
  std::vector<Pairs> read;
  size_t data = 0;
  auto see = [&](const SpdyFrame& frame) {
    if (!frame.control) data += frame.whole ? frame.body.size() : bytes.size();
    if (frame.HeaderBlock() == std::string_view::npos) return;
    if (auto pairs = inflater.Read(frame.body.substr(frame.HeaderBlock())))
      read.push_back(*std::move(pairs));
  };
  std::string passed;
  for (size_t at = 0; at < stream.size(); at += 1000)
    passed += cutter.Take(stream.substr(at, 1000), see);
  if (total >= 60'000) return;  // near the limit, or beyond
  if (passed != stream || data != bytes.size()) abort();
  if (read.size() != 2 || read[0] != first || read[1] != second) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  Guard(bytes);
  Headers(bytes);
  SpdyInflater any;
  for (std::string_view rest = bytes; !rest.empty();) {
    size_t part = std::min<size_t>(rest.size(), 40);
    any.Read(rest.substr(0, part));
    rest.remove_prefix(part);
  }
  return 0;
}
