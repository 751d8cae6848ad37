// JSON, YAML and protobuf forms of Kubernetes objects, all driven by field options through reflection.
// Pure functions; thread safe.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace kubelet::api {

struct DecodeOptions {
  // Unknown and duplicate keys become problems in `warnings`, or errors when there is no such list.
  // Without strict they are dropped (duplicate: the last one wins), as a lenient Kubernetes reader does.
  bool strict = false;
  // With strict: unknown and duplicate fields are reported here and do not fail the call: `unknown field "spec.foo"`,
  // `duplicate field "spec.x"` (YAML: `key "name" already set`). Each once, at most 100 of a document.
  std::vector<std::string>* warnings = nullptr;
};

// kind and apiVersion of a document, empty when absent.
struct TypeMeta {
  std::string api_version;
  std::string kind;
};

// All decoders: `out` is cleared first. InvalidArgument names the field path and what is wrong with it, in the
// order of the document. For a message with an (api_version) option, a kind or apiVersion in the document that
// differs is an error; absent is accepted. JSON nests at most 1000 levels deep. What is not Unicode becomes U+FFFD.
absl::Status DecodeJson(std::string_view json, google::protobuf::Message& out, const DecodeOptions& options = {});
// First document of a YAML stream (JSON is YAML). Refuses: bad UTF-8, control characters, unclosed quotes,
// duplicate keys, depth over 1000, alias bombs, text over 10 MiB.
absl::Status DecodeYaml(std::string_view yaml, google::protobuf::Message& out, const DecodeOptions& options = {});
// Compact JSON with the YAML document's value, scalars resolved as upstream does (YAML 1.1 of go-yaml v2).
absl::StatusOr<std::string> YamlToJson(std::string_view yaml);
// kind and apiVersion without decoding the rest; JSON or YAML.
absl::StatusOr<TypeMeta> PeekTypeMeta(std::string_view document);

struct EncodeOptions {
  bool pretty = false;     // two-space indent
  bool type_meta = true;   // kind and apiVersion of messages that have them
};
// Go's encoding/json bytes: keys in schema order, map keys sorted, <>& escaped.
std::string EncodeJson(const google::protobuf::Message& message, const EncodeOptions& options = {});
// Block-style YAML of the same value, for people.
std::string EncodeYaml(const google::protobuf::Message& message);

// application/vnd.kubernetes.protobuf: magic, envelope, message (schema/envelope.md). Presence is written as the
// Go encoder does: scalars and messages without the pointer option always, times without a fraction, quantities in
// canonical form. The message is not touched.
std::string EncodeProtobuf(const google::protobuf::Message& message);
// InvalidArgument for a damaged body, another kind, and a quantity that is none. Fields we do not know stay in the
// message and are written by neither encoder.
absl::Status DecodeProtobuf(std::string_view body, google::protobuf::Message& out);
absl::StatusOr<TypeMeta> PeekProtobufTypeMeta(std::string_view body);

}  // namespace kubelet::api
