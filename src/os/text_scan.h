// Walking over the text of kernel files without copying it. Internal to the room.
#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>

namespace kubelet::os {

// Takes the next line, without its end; false at the end of the text.
inline bool NextLine(std::string_view& text, std::string_view& line) {
  if (text.empty()) return false;
  size_t end = text.find('\n');
  line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return true;
}

// Takes the next word; empty at the end. Words lie between blanks and any of `also`.
inline std::string_view NextWord(std::string_view& line, std::string_view also = "") {
  auto gap = [also](char c) {
    return c == ' ' || c == '\t' || c == '\n' || also.find(c) != std::string_view::npos;
  };
  size_t begin = 0;
  while (begin < line.size() && gap(line[begin])) ++begin;
  size_t end = begin;
  while (end < line.size() && !gap(line[end])) ++end;
  std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

// 0 for anything that is no number; `max` is the largest.
inline uint64_t ToNumber(std::string_view text) {
  if (text.substr(0, 3) == "max") return ~uint64_t{0};
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

inline double ToReal(std::string_view text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace kubelet::os
