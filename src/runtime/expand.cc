#include "kubelet/runtime/config.h"

namespace kubelet::runtime {

std::string ExpandWith(const std::string& text, const std::function<std::string(const std::string&)>& value) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    char next = text[i + 1];
    if (next == '$') {
      out += '$';
      ++i;
    } else if (next == '(') {
      size_t close = text.find(')', i + 2);
      if (close == std::string::npos) {
        out += "$(";
        ++i;
        continue;
      }
      out += value(text.substr(i + 2, close - i - 2));
      i = close;
    } else {
      out += '$';
      out += next;
      ++i;
    }
  }
  return out;
}

std::string Expand(const std::string& text, const std::map<std::string, std::string>& env) {
  return ExpandWith(text, [&](const std::string& name) {
    auto it = env.find(name);
    return it != env.end() ? it->second : "$(" + name + ")";
  });
}

}  // namespace kubelet::runtime
