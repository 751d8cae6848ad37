// A container writes these files. What parses gives a value without quotes that is no longer than
// the file, and a file of that value alone gives it again.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "runtime/env_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  for (const char* key : {"K", "A", ""}) {
    auto value = kubelet::runtime::ParseEnvFile(text, key);
    if (!value.ok() || value->empty()) continue;
    if (value->find('\'') != std::string::npos || value->size() > size) abort();
    // A carriage return that ended a line is gone; a second one before it would go now.
    if (value->find("\r\n") != std::string::npos) continue;
    auto again = kubelet::runtime::ParseEnvFile("K='" + *value + "'", "K");
    if (!again.ok()) continue;  // three more bytes may make a line too long
    if (*again != *value) abort();
  }
  return 0;
}
