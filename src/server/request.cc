#include "server/request.h"

#include <strings.h>

#include <algorithm>

namespace kubelet::server {
namespace {

int Hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

bool SameIgnoringCase(const std::string& a, const std::string& b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string HttpRequest::Header(const std::string& name) const {
  for (const auto& [key, value] : headers)
    if (SameIgnoringCase(key, name)) return value;
  return "";
}

std::optional<std::string> HttpRequest::Query(const std::string& name) const {
  for (const auto& [key, value] : query)
    if (key == name) return value;
  return std::nullopt;
}

bool HttpRequest::HeaderHas(const std::string& name, const std::string& token) const {
  for (const auto& [key, value] : headers) {
    if (!SameIgnoringCase(key, name)) continue;
    for (size_t begin = 0; begin < value.size();) {
      size_t end = std::min(value.find(',', begin), value.size());
      size_t from = value.find_first_not_of(" \t", begin);
      size_t to = end;
      while (to > begin && (value[to - 1] == ' ' || value[to - 1] == '\t')) --to;
      if (from < to && SameIgnoringCase(value.substr(from, to - from), token)) return true;
      begin = end + 1;
    }
  }
  return false;
}

std::optional<std::string> PercentDecode(const std::string& text, bool plus) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += plus && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    if (i + 2 >= text.size() || Hex(text[i + 1]) < 0 || Hex(text[i + 2]) < 0) return std::nullopt;
    out += static_cast<char>(Hex(text[i + 1]) * 16 + Hex(text[i + 2]));
    i += 2;
  }
  return out;
}

Pairs ParseQuery(const std::string& raw) {
  Pairs out;
  for (size_t begin = 0; begin < raw.size();) {
    size_t end = std::min(raw.find('&', begin), raw.size());
    std::string pair = raw.substr(begin, end - begin);
    begin = end + 1;
    if (pair.empty() || pair.find(';') != std::string::npos) continue;
    size_t equals = std::min(pair.find('='), pair.size());
    auto key = PercentDecode(pair.substr(0, equals), true);
    auto value = PercentDecode(equals < pair.size() ? pair.substr(equals + 1) : "", true);
    if (key && value) out.emplace_back(*std::move(key), *std::move(value));
  }
  return out;
}

bool ParseRequestTarget(const std::string& target, HttpRequest& request) {
  size_t mark = std::min(target.find('?'), target.size());
  auto path = PercentDecode(target.substr(0, mark), false);
  if (!path || path->empty() || path->front() != '/' || path->find('\0') != std::string::npos)
    return false;
  request.path = *std::move(path);
  request.raw_query = mark < target.size() ? target.substr(mark + 1) : "";
  request.query = ParseQuery(request.raw_query);
  return true;
}

}  // namespace kubelet::server
