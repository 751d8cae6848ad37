// Second half of reading YAML: a stream of parse events becomes one value, printed as JSON.
// The source of events (yaml-cpp in yaml_parse.h) knows the grammar; anchors, keys, merges and
// limits live here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/yaml_resolve.h"

namespace kubelet::api {

inline constexpr size_t kMaxYamlDepth = 1000;  // of the document, and of the value after aliases
inline constexpr size_t kMaxYamlNodes = 1'000'000;  // of the value after aliases and merges
inline constexpr size_t kMaxYamlJsonBytes = 64 << 20;

// What may stand before any node. Empty when absent; `tag` in full (`tag:yaml.org,2002:int`), and
// empty for `!`.
struct YamlProperties {
  int line = 0;  // from 1, for messages
  std::string anchor;
  std::string tag;
};

// Composes one document; keep no more than one. Not thread safe.
// The first error sticks: later events are ignored, and status() and ToJson() return it
// (InvalidArgument, `yaml: line 3: …`). Errors of this layer: unknown anchor, an anchor inside its
// own value, a key that is a mapping, a sequence or null, a duplicate key, `<<` over something else
// than mappings, a scalar that its tag does not allow, and the limits above. Deviations from
// go-yaml v2: a duplicate key is an error (there only in its strict mode); keys written out
// win over merged ones wherever the `<<` stands (there the later one wins).
class YamlDocument {
 public:
  // `duplicates`: where duplicate keys are told instead, and the last one counts.
  explicit YamlDocument(std::vector<std::string>* duplicates = nullptr) : duplicates_(duplicates) {}

  // `plain`: neither quoted nor a block scalar, or tagged `!`; such a scalar is resolved
  // (yaml_resolve.h).
  void Scalar(const YamlProperties& properties, bool plain, const std::string& text);
  void Alias(int line, const std::string& anchor);
  void StartSequence(const YamlProperties& properties);
  void StartMapping(const YamlProperties& properties);
  void End();

  const absl::Status& status() const { return status_; }

  // `null` when there was no node. Mappings keep the order of the document; merged keys stand at
  // their `<<`.
  absl::StatusOr<std::string> ToJson() const;

 private:
  using Index = uint32_t;
  enum class Kind : uint8_t { kScalar, kSequence, kMapping };
  struct Child {
    Index node;
    bool alias;
  };
  struct Entry {
    std::string key;
    Index value;
    bool merged;
  };
  struct Node {
    Kind kind;
    bool open = false;
    bool merge_key = false;
    int line = 0;
    YamlValue scalar;
    std::vector<Child> children;  // a mapping's are dropped at its end, for entries
    std::vector<Entry> entries;
  };
  class KeySet;
  class Printer;

  bool Add(Node node, const std::string& anchor);
  void Place(Child child);
  void Fail(int line, const std::string& message);
  void FinishMapping(Node& mapping);
  void AddEntry(Node& mapping, KeySet& keys, const Node& key, Index value);
  void Merge(Node& mapping, KeySet& keys, int line, Child source);
  void MergeOne(Node& mapping, KeySet& keys, int line, Index source);

  std::vector<std::string>* duplicates_;
  std::vector<Node> nodes_;
  std::vector<Index> open_;
  std::unordered_map<std::string, Index> anchors_;
  size_t merged_ = 0;
  absl::Status status_;
};

}  // namespace kubelet::api
