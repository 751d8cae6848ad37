#include "api/yaml_document.h"

#include <utility>

#include "api/json_text.h"
#include "api/yaml_text.h"
#include "kubelet/base/status.h"

namespace kubelet::api {
namespace {

constexpr std::string_view kMergeTag = "tag:yaml.org,2002:merge";

}  // namespace

// Where each key of the mapping under construction stands among its entries.
class YamlDocument::KeySet {
 public:
  // The place of `key`, which is `next` when it is new.
  size_t Find(const std::string& key, size_t next) {
    return places_.try_emplace(key, next).first->second;
  }

 private:
  std::unordered_map<std::string, size_t> places_;
};

// Walks the value with a stack of its own: aliases can make it deeper than the document.
class YamlDocument::Printer {
 public:
  explicit Printer(const YamlDocument& document) : nodes_(document.nodes_) {}

  absl::StatusOr<std::string> Print() {
    RETURN_IF_ERROR(Start(0));
    while (!stack_.empty()) RETURN_IF_ERROR(Step());
    return std::move(out_);
  }

 private:
  struct Frame {
    const Node* node;
    size_t next;
  };

  absl::Status Start(Index index) {
    const Node& node = nodes_[index];
    if (++count_ > kMaxYamlNodes || out_.size() > kMaxYamlJsonBytes) {
      return YamlError(node.line, "document contains excessive aliasing");
    }
    if (node.kind == Kind::kScalar) {
      absl::Status status = AppendJson(out_, node.scalar);
      return status.ok() ? status : YamlError(node.line, base::Message(status));
    }
    if (stack_.size() >= kMaxYamlDepth) {
      return YamlError(node.line, "exceeded max depth of " + std::to_string(kMaxYamlDepth));
    }
    out_ += node.kind == Kind::kMapping ? '{' : '[';
    stack_.push_back({&node, 0});
    return absl::OkStatus();
  }

  absl::Status Step() {
    Frame& frame = stack_.back();
    const Node& node = *frame.node;
    bool mapping = node.kind == Kind::kMapping;
    size_t place = frame.next++;
    if (place == (mapping ? node.entries.size() : node.children.size())) {
      out_ += mapping ? '}' : ']';
      stack_.pop_back();
      return absl::OkStatus();
    }
    if (place > 0) out_ += ',';
    if (!mapping) return Start(node.children[place].node);
    AppendJsonString(node.entries[place].key, out_);
    out_ += ':';
    return Start(node.entries[place].value);
  }

  const std::vector<Node>& nodes_;
  std::vector<Frame> stack_;
  std::string out_;
  size_t count_ = 0;
};

void YamlDocument::Scalar(const YamlProperties& properties, bool plain, const std::string& text) {
  if (!status_.ok()) return;
  absl::StatusOr<YamlValue> value = ResolveYamlScalar(properties.tag, plain, text);
  if (!value.ok()) return Fail(properties.line, base::Message(value.status()));
  bool merge = text == "<<" && ((plain && properties.tag.empty()) || properties.tag == kMergeTag);
  Node node{.kind = Kind::kScalar,
            .merge_key = merge,
            .line = properties.line,
            .scalar = *std::move(value)};
  Add(std::move(node), properties.anchor);
}

void YamlDocument::Alias(int line, const std::string& anchor) {
  if (!status_.ok()) return;
  auto found = anchors_.find(anchor);
  if (found == anchors_.end()) return Fail(line, "unknown anchor '" + anchor + "' referenced");
  if (nodes_[found->second].open)
    return Fail(line, "anchor '" + anchor + "' value contains itself");
  Place({found->second, true});
}

void YamlDocument::StartSequence(const YamlProperties& properties) {
  Node node{.kind = Kind::kSequence, .open = true, .line = properties.line};
  if (Add(std::move(node), properties.anchor)) open_.push_back(nodes_.size() - 1);
}

void YamlDocument::StartMapping(const YamlProperties& properties) {
  Node node{.kind = Kind::kMapping, .open = true, .line = properties.line};
  if (Add(std::move(node), properties.anchor)) open_.push_back(nodes_.size() - 1);
}

void YamlDocument::End() {
  if (!status_.ok() || open_.empty()) return;
  Node& node = nodes_[open_.back()];
  open_.pop_back();
  node.open = false;
  if (node.kind == Kind::kMapping) FinishMapping(node);
}

bool YamlDocument::Add(Node node, const std::string& anchor) {
  if (!status_.ok()) return false;
  if (open_.size() >= kMaxYamlDepth) {
    Fail(node.line, "exceeded max depth of " + std::to_string(kMaxYamlDepth));
    return false;
  }
  if (nodes_.size() >= kMaxYamlNodes) {
    Fail(node.line, "document has more than " + std::to_string(kMaxYamlNodes) + " nodes");
    return false;
  }
  Index index = nodes_.size();
  nodes_.push_back(std::move(node));
  if (!anchor.empty()) anchors_[anchor] = index;
  Place({index, false});
  return true;
}

void YamlDocument::Place(Child child) {
  if (!open_.empty()) nodes_[open_.back()].children.push_back(child);
}

void YamlDocument::Fail(int line, const std::string& message) {
  if (status_.ok()) status_ = YamlError(line, message);
}

void YamlDocument::FinishMapping(Node& mapping) {
  std::vector<Child> children = std::exchange(mapping.children, {});
  mapping.entries.reserve(children.size() / 2);
  KeySet keys;
  for (size_t i = 0; i + 1 < children.size() && status_.ok(); i += 2) {
    const Node& key = nodes_[children[i].node];
    if (key.merge_key && !children[i].alias) {
      Merge(mapping, keys, key.line, children[i + 1]);
    } else {
      AddEntry(mapping, keys, key, children[i + 1].node);
    }
  }
}

void YamlDocument::AddEntry(Node& mapping, KeySet& keys, const Node& key, Index value) {
  if (key.kind != Kind::kScalar) {
    return Fail(key.line, std::string("invalid map key: a ") +
                              (key.kind == Kind::kMapping ? "mapping" : "sequence") +
                              " cannot be a key");
  }
  absl::StatusOr<std::string> text = YamlKey(key.scalar);
  if (!text.ok()) return Fail(key.line, base::Message(text.status()));
  size_t place = keys.Find(*text, mapping.entries.size());
  if (place == mapping.entries.size()) {
    mapping.entries.push_back({*std::move(text), value, false});
  } else if (mapping.entries[place].merged) {
    mapping.entries[place] = {*std::move(text), value, false};
  } else {
    std::string problem = "key \"" + *text + "\" already set in map";
    if (duplicates_ == nullptr) return Fail(key.line, problem);
    duplicates_->push_back("line " + std::to_string(key.line) + ": " + problem);
    mapping.entries[place].value = value;
  }
}

void YamlDocument::Merge(Node& mapping, KeySet& keys, int line, Child source) {
  const Node& node = nodes_[source.node];
  if (node.kind == Kind::kMapping) return MergeOne(mapping, keys, line, source.node);
  if (node.kind != Kind::kSequence || source.alias) {
    return Fail(line, "map merge requires map or sequence of maps as the value");
  }
  // From the back: what a later one sets, an earlier one replaces.
  for (size_t i = node.children.size(); i-- > 0;)
    MergeOne(mapping, keys, line, node.children[i].node);
}

void YamlDocument::MergeOne(Node& mapping, KeySet& keys, int line, Index source) {
  const Node& node = nodes_[source];
  if (node.kind != Kind::kMapping)
    return Fail(line, "map merge requires map or sequence of maps as the value");
  merged_ += node.entries.size() + 1;
  if (merged_ > kMaxYamlNodes) return Fail(line, "document contains excessive aliasing");
  for (const Entry& entry : node.entries) {
    size_t place = keys.Find(entry.key, mapping.entries.size());
    if (place == mapping.entries.size()) {
      mapping.entries.push_back({entry.key, entry.value, true});
    } else if (mapping.entries[place].merged) {
      mapping.entries[place].value = entry.value;
    }
  }
}

absl::StatusOr<std::string> YamlDocument::ToJson() const {
  if (!status_.ok()) return status_;
  if (nodes_.empty()) return std::string("null");
  return Printer(*this).Print();
}

}  // namespace kubelet::api
