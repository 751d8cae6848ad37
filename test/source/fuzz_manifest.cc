// Any bytes as a manifest file, a response body and a checkpoint: no crash, no hang; a pod comes
// out only without errors, and what is accepted as a file has one uid.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "kubelet/source/manifest.h"
#include "source/checkpoint.h"
#include "source/json_cut.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kubelet::source;
  std::string text(reinterpret_cast<const char*>(data), size);
  Origin origin;
  origin.location = "/m/x.yaml";
  origin.node_name = "node";
  Judged judged = JudgeManifest(text, origin);
  if ((judged.pod != nullptr) != judged.errors.empty()) std::abort();
  if (judged.pod &&
      JudgeManifest(text, origin).pod->metadata().uid() != judged.pod->metadata().uid())
    std::abort();
  origin.kind = Origin::Kind::kHttp;
  for (const auto& item : JudgeManifests(text, origin)) {
    if ((item.pod != nullptr) != item.errors.empty()) std::abort();
  }
  if (auto checkpoint = DecodeCheckpoint(text);
      checkpoint.ok() && EncodeCheckpoint(*checkpoint).empty())
    std::abort();
  CountYamlDocuments(text);
  return 0;
}
