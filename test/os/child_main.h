// A test program that is started again as a child (os/child_call.h) does what the kubelet would do
// then. To be included by one source of it.
#pragma once

#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "kubelet/os/child_call.h"

namespace kubelet::test {

class ChildMain {
 public:
  explicit ChildMain(const os::CallTable& more) {
    std::ifstream in("/proc/self/cmdline", std::ios::binary);
    std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    std::vector<std::string> words;
    for (size_t start = 0; start < text.size();) {
      size_t end = text.find('\0', start);
      words.push_back(text.substr(start, end - start));
      start = end + 1;
    }
    if (words.size() < 2 || words[1] != os::kChildCallWord) return;
    _exit(os::ServeChildCall({words.begin() + 2, words.end()}, more));
  }
};

}  // namespace kubelet::test
