#include "client/pem.h"

#include <algorithm>

#include "absl/strings/escaping.h"

namespace kubelet::client {
namespace {

constexpr char kBegin[] = "-----BEGIN ", kEnd[] = "-----END ", kDashes[] = "-----";
constexpr size_t kLine = 64;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// What stands between the marks: base64, after headers that end with an empty line.
bool Decode(const std::string& inside, std::string& out) {
  std::string body = inside;
  if (body.find(':') != std::string::npos) {
    std::string text;
    for (char c : body)
      if (c != '\r') text += c;
    size_t blank = text.find("\n\n");
    if (blank == std::string::npos) return false;
    body = text.substr(blank);
  }
  std::erase_if(body, IsSpace);
  return absl::Base64Unescape(body, &out);
}

}  // namespace

std::vector<std::string> PemBlocks(const std::string& text) {
  std::vector<std::string> blocks;
  for (size_t at = 0; (at = text.find(kBegin, at)) != std::string::npos;) {
    size_t name = at + sizeof kBegin - 1;
    size_t line = text.find('\n', name);
    bool starts_line = at == 0 || text[at - 1] == '\n';
    size_t name_end = text.find(kDashes, name);
    at = name;
    if (!starts_line || line == std::string::npos || name_end > line) continue;
    std::string end = kEnd + text.substr(name, name_end - name) + kDashes;
    size_t stop = text.find(end, line);
    if (stop == std::string::npos) continue;
    std::string bytes;
    if (!Decode(text.substr(line, stop - line), bytes)) continue;
    blocks.push_back(std::move(bytes));
    at = stop + end.size();
  }
  return blocks;
}

std::string PemText(const std::string& type, const std::string& bytes) {
  std::string encoded;
  absl::Base64Escape(bytes, &encoded);
  std::string out = kBegin + type + kDashes + "\n";
  for (size_t at = 0; at < encoded.size(); at += kLine) out += encoded.substr(at, kLine) + "\n";
  return out + kEnd + type + kDashes + "\n";
}

}  // namespace kubelet::client
