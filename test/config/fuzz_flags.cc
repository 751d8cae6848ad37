// Any bytes as a command line (arguments end at newlines) and as one document to merge and to look
// lines up in.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/document.h"
#include "config/json.h"
#include "config/text.h"
#include "kubelet/config/config.h"

using namespace kubelet::config;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  absl::StatusOr<CommandLine> line = ParseCommandLine(Split(text, '\n'));
  if (line.ok()) {
    // What the parser took must load or be refused, from an empty tree.
    absl::StatusOr<LoadedConfig> loaded = Load(*line, FileReader("/proc/self/no-such-root", "/"));
    if (loaded.ok() && DumpEffective(*loaded).empty()) std::abort();
  }
  absl::StatusOr<JsonValue> json = ParseJson(text);
  if (json.ok()) {
    std::string once = WriteJson(*json);
    absl::StatusOr<JsonValue> again = ParseJson(once);
    if (!again.ok() || WriteJson(*again) != once) std::abort();
    MergePatch(*json, *again);
  }
  LineOf(text, "a.b[0].c");
  return 0;
}
