#include "api/plan.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>

namespace kubelet::api {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

ValueKind KindOf(const FieldDescriptor* field) {
  switch (field->type()) {
    case FieldDescriptor::TYPE_BOOL:
      return ValueKind::kBool;
    case FieldDescriptor::TYPE_INT32:
      return ValueKind::kInt32;
    case FieldDescriptor::TYPE_INT64:
      return ValueKind::kInt64;
    case FieldDescriptor::TYPE_UINT32:
      return ValueKind::kUint32;
    case FieldDescriptor::TYPE_UINT64:
      return ValueKind::kUint64;
    case FieldDescriptor::TYPE_DOUBLE:
      return ValueKind::kDouble;
    case FieldDescriptor::TYPE_STRING:
      return ValueKind::kString;
    case FieldDescriptor::TYPE_BYTES:
      return ValueKind::kBytes;
    case FieldDescriptor::TYPE_MESSAGE:
      return ValueKind::kMessage;
    default:
      GOOGLE_LOG(FATAL) << "no JSON form for the type of " << field->full_name();
  }
  return ValueKind::kString;
}

}  // namespace

// Runs under the cache's lock. Types may reach each other in a circle, so a plan enters the cache
// before its fields.
class PlanBuilder {
 public:
  using Cache = std::unordered_map<const Descriptor*, std::unique_ptr<MessagePlan>>;
  explicit PlanBuilder(Cache& cache) : cache_(cache) {}

  const MessagePlan* Build(const Descriptor* descriptor) {
    std::unique_ptr<MessagePlan>& slot = cache_[descriptor];
    if (slot) return slot.get();
    slot = std::make_unique<MessagePlan>();
    MessagePlan* plan = slot.get();
    plan->descriptor = descriptor;
    const auto& options = descriptor->options();
    plan->form = options.GetExtension(json_form);
    plan->type_meta = options.HasExtension(api_version);
    plan->api_version = options.GetExtension(api_version);
    plan->kind = options.HasExtension(kind) ? options.GetExtension(kind) : descriptor->name();
    plan->quantities = plan->form == QUANTITY;
    if (plan->form == RAW_JSON) plan->raw = descriptor->FindFieldByName("raw");
    AddFields(*plan);
    AddKeys(*plan);
    return plan;
  }

 private:
  void AddFields(MessagePlan& plan) {
    std::vector<const FieldDescriptor*> sorted;
    for (int i = 0; i < plan.descriptor->field_count(); ++i)
      sorted.push_back(plan.descriptor->field(i));
    std::sort(sorted.begin(), sorted.end(),
              [](auto* a, auto* b) { return a->number() < b->number(); });
    plan.fields.reserve(sorted.size());
    for (const FieldDescriptor* field : sorted) plan.fields.push_back(Field(field));
    for (const FieldPlan& field : plan.fields)
      plan.quantities |= field.message && field.message->quantities;
  }

  FieldPlan Field(const FieldDescriptor* field) {
    FieldPlan plan;
    plan.field = field;
    plan.map = field->is_map();
    plan.repeated = field->is_repeated() && !plan.map;
    plan.value = plan.map ? field->message_type()->map_value() : field;
    if (plan.map && field->message_type()->map_key()->type() != FieldDescriptor::TYPE_STRING) {
      GOOGLE_LOG(FATAL) << "map keys must be strings: " << field->full_name();
    }
    plan.kind = KindOf(plan.value);
    if (plan.kind == ValueKind::kMessage) plan.message = Build(plan.value->message_type());
    const auto& options = field->options();
    plan.inlined = options.GetExtension(inlined);
    plan.keep_empty = options.GetExtension(keep_empty);
    plan.pointer = options.GetExtension(pointer);
    plan.omit_zero = options.GetExtension(omit_zero);
    plan.name = field->json_name();
    plan.quoted_name = "\"" + plan.name + "\":";
    return plan;
  }

  void AddKeys(MessagePlan& plan) {
    if (plan.type_meta) {
      plan.keys.push_back({"kind", KeyPlan::Role::kKind, 0, nullptr, {}});
      plan.keys.push_back({"apiVersion", KeyPlan::Role::kApiVersion, 0, nullptr, {}});
    }
    for (const FieldPlan& field : plan.fields) {
      if (!field.inlined) {
        plan.keys.push_back({field.name, KeyPlan::Role::kField, 0, &field, {}});
        continue;
      }
      for (const KeyPlan& inner : field.message->keys) {
        KeyPlan key = inner;
        key.inlined.insert(key.inlined.begin(), field.field);
        plan.keys.push_back(std::move(key));
      }
    }
    if (plan.keys.size() > kMaxKeys)
      GOOGLE_LOG(FATAL) << plan.descriptor->full_name() << " has too many keys";
    size_t size = 4;
    while (size < 3 * plan.keys.size()) size *= 2;
    plan.slots_.assign(size, 0);
    for (size_t i = 0; i < plan.keys.size(); ++i) {
      plan.keys[i].index = static_cast<uint16_t>(i);
      if (plan.Find(plan.keys[i].name) != nullptr) {
        GOOGLE_LOG(FATAL) << plan.descriptor->full_name() << " has two fields with the key "
                          << plan.keys[i].name;
      }
      size_t at = MessagePlan::Hash(plan.keys[i].name) & (size - 1);
      while (plan.slots_[at] != 0) at = (at + 1) & (size - 1);
      plan.slots_[at] = static_cast<uint16_t>(i + 1);
    }
  }

  Cache& cache_;
};

uint32_t MessagePlan::Hash(std::string_view key) {
  if (key.empty()) return 0;
  auto at = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(key[i])); };
  uint32_t hash = static_cast<uint32_t>(key.size()) * 0x9E3779B1u;
  hash ^= (at(0) << 16) ^ (at(key.size() / 2) << 8) ^ at(key.size() - 1);
  hash *= 0x85EBCA6Bu;
  return hash ^ (hash >> 15);
}

const KeyPlan* MessagePlan::Find(std::string_view key) const {
  size_t mask = slots_.size() - 1;
  for (size_t at = Hash(key) & mask; slots_[at] != 0; at = (at + 1) & mask) {
    const KeyPlan& candidate = keys[slots_[at] - 1];
    if (candidate.name == key) return &candidate;
  }
  return nullptr;
}

const MessagePlan& PlanOf(const Descriptor* descriptor) {
  static std::mutex mutex;
  static auto* cache = new PlanBuilder::Cache();
  std::lock_guard<std::mutex> lock(mutex);
  return *PlanBuilder(*cache).Build(descriptor);
}

}  // namespace kubelet::api
