// libyaml as the judge of our YAML reading: go-yaml v2 is a port of it. Only the grammar is
// libyaml's; anchors, keys and scalars go through the same YamlDocument, so a difference is one of
// the grammar. Unlike go-yaml it looks at what follows the first document's node unless that is
// `...`, since we refuse junk there.
#pragma once

#include <yaml.h>

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "api/yaml_document.h"
#include "api/yaml_text.h"

namespace kubelet::api {

class YamlOracle {
 public:
  explicit YamlOracle(std::string_view text) {
    yaml_parser_initialize(&parser_);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  ~YamlOracle() { yaml_parser_delete(&parser_); }
  YamlOracle(const YamlOracle&) = delete;
  YamlOracle& operator=(const YamlOracle&) = delete;

  absl::StatusOr<std::string> ToJson() {
    yaml_event_type_t type = YAML_NO_EVENT;
    while (type != YAML_DOCUMENT_END_EVENT && type != YAML_STREAM_END_EVENT) {
      yaml_event_t event;
      if (yaml_parser_parse(&parser_, &event) == 0) {
        return YamlError(static_cast<int>(parser_.problem_mark.line) + 1,
                         parser_.problem ? parser_.problem : "?");
      }
      type = event.type;
      implicit_end_ = type == YAML_DOCUMENT_END_EVENT && event.data.document_end.implicit;
      Take(event);
      yaml_event_delete(&event);
      if (type == YAML_DOCUMENT_END_EVENT && implicit_end_) type = YAML_NO_EVENT;
      if (type == YAML_DOCUMENT_START_EVENT && std::exchange(started_, true)) break;
      if (!document_.status().ok()) return document_.status();
    }
    return document_.ToJson();
  }

 private:
  static std::string Text(const yaml_char_t* text) {
    return text == nullptr ? "" : reinterpret_cast<const char*>(text);
  }

  static YamlProperties Properties(const yaml_event_t& event, const yaml_char_t* anchor,
                                   const yaml_char_t* tag) {
    return {static_cast<int>(event.start_mark.line) + 1, Text(anchor), Text(tag)};
  }

  void Take(const yaml_event_t& event) {
    switch (event.type) {
      case YAML_ALIAS_EVENT:
        document_.Alias(static_cast<int>(event.start_mark.line) + 1, Text(event.data.alias.anchor));
        break;
      case YAML_SCALAR_EVENT: {
        const auto& scalar = event.data.scalar;
        document_.Scalar(Properties(event, scalar.anchor, scalar.tag), scalar.plain_implicit,
                         std::string(reinterpret_cast<const char*>(scalar.value), scalar.length));
        break;
      }
      case YAML_SEQUENCE_START_EVENT:
        document_.StartSequence(
            Properties(event, event.data.sequence_start.anchor, event.data.sequence_start.tag));
        break;
      case YAML_MAPPING_START_EVENT:
        document_.StartMapping(
            Properties(event, event.data.mapping_start.anchor, event.data.mapping_start.tag));
        break;
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        document_.End();
        break;
      default:
        break;
    }
  }

  yaml_parser_t parser_;
  YamlDocument document_;
  bool started_ = false;
  bool implicit_end_ = false;
};

}  // namespace kubelet::api
