// What the codec needs to know of a message type, worked out once from its descriptor and field
// options. The JSON reader, the JSON writer and the protobuf writer all walk these plans instead of
// descriptors.
#pragma once

#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kubelet/api/options.pb.h"

namespace kubelet::api {

struct MessagePlan;

enum class ValueKind : uint8_t {
  kBool,
  kInt32,
  kInt64,
  kUint32,
  kUint64,
  kDouble,
  kString,
  kBytes,
  kMessage
};

// One field. `kind`, `message` and `value` speak of the value itself: of a list its elements, of a
// map its values.
struct FieldPlan {
  const google::protobuf::FieldDescriptor* field = nullptr;
  const google::protobuf::FieldDescriptor* value = nullptr;
  const MessagePlan* message = nullptr;  // of kMessage
  ValueKind kind = ValueKind::kString;
  bool repeated = false;  // a list; maps are not
  bool map = false;       // keys are always strings
  bool inlined = false;
  bool keep_empty = false;
  bool pointer = false;
  bool omit_zero = false;
  std::string name;         // JSON key
  std::string quoted_name;  // `"key":`
};

// No message has more keys than this, inlined ones counted.
inline constexpr size_t kMaxKeys = 256;

// A JSON key of a message: a field of its own or of a message that is inlined into it.
struct KeyPlan {
  enum class Role : uint8_t { kField, kKind, kApiVersion };
  std::string_view name;
  Role role = Role::kField;
  uint16_t index = 0;  // dense over the keys of the message
  const FieldPlan* field = nullptr;
  std::vector<const google::protobuf::FieldDescriptor*>
      inlined;  // from the message down to the owner of `field`
};

struct MessagePlan {
  const google::protobuf::Descriptor* descriptor = nullptr;
  JsonForm form = OBJECT;
  bool type_meta = false;   // JSON carries kind and apiVersion
  bool quantities = false;  // a Quantity is reachable
  std::string kind;
  std::string api_version;                                 // "*": any
  std::vector<FieldPlan> fields;                           // in field number order
  const google::protobuf::FieldDescriptor* raw = nullptr;  // the bytes of RAW_JSON

  // The key's plan, or null. Case-sensitive.
  const KeyPlan* Find(std::string_view key) const;
  std::vector<KeyPlan> keys;

 private:
  friend class PlanBuilder;
  static uint32_t Hash(std::string_view key);
  std::vector<uint16_t> slots_;  // open addressing into `keys`, index + 1
};

// The plan of a message type and of every type it reaches; made at the first call and kept for
// ever. Thread safe.
const MessagePlan& PlanOf(const google::protobuf::Descriptor* descriptor);

}  // namespace kubelet::api
