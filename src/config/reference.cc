#include "kubelet/config/reference.h"

#include <algorithm>

#include "config/defaults.h"
#include "config/field_path.h"
#include "config/flag_table.h"
#include "config/help.h"
#include "config/not_built.h"
#include "config/reference_notes.h"
#include "config/validation.h"
#include "kubelet/api/options.pb.h"

namespace kubelet::config {
namespace {

using google::protobuf::FieldDescriptor;

template <typename Rows>
const char* NoteOf(const Rows& rows, const std::string& name) {
  for (const auto& row : rows) {
    if (name == row.name) return row.text;
  }
  return nullptr;
}

const Refusal* RefusalOf(const std::string& name) {
  for (const auto& refusal : Refusals()) {
    if (name == refusal.name) return &refusal;
  }
  return nullptr;
}

void Add(std::string& text, const std::string& more) {
  if (!more.empty()) text += (text.empty() ? "" : "; ") + more;
}

void Judge(const std::string& name, ReferenceRow& row) {
  if (const Refusal* refusal = RefusalOf(name)) {
    if (refusal->every_value) row.support = Support::kRefused;
    Add(row.remark, refusal->reason);
  }
  if (const char* why = NoteOf(NoEffect(), name)) {
    row.support = Support::kAccepted;
    Add(row.remark, std::string("without effect, ") + why);
  }
}

// What is true of a field is true of the flag that sets it.
void JudgeField(const std::string& path, ReferenceRow& row) {
  Judge(path, row);
  if (std::string allowed = AllowedText(path); !allowed.empty())
    Add(row.remark, "refused unless " + allowed);
  for (const NotBuiltField& field : NotBuiltFields()) {
    if (path != field.path) continue;
    row.support = field.missing == nullptr ? Support::kNotBuilt : Support::kAccepted;
    Add(row.remark, field.missing == nullptr ? "named in a warning at the start"
                                             : std::string("in part: ") + field.missing);
  }
}

std::string GroupTitle(FlagGroup group) {
  for (const auto& title : FlagGroupTitles()) {
    if (title.group == group) return title.title;
  }
  return "";
}

std::string WireType(const FieldDescriptor& field) {
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return field.cpp_type_name();
  switch (field.message_type()->options().GetExtension(api::json_form)) {
    case api::DURATION:
      return "duration";
    case api::TIME_OR_DURATION:
      return "duration or nanoseconds";
    case api::QUANTITY:
      return "quantity";
    case api::STRING_ARRAY:
      return "list of string";
    default:
      return "object";
  }
}

std::string FieldType(const FieldDescriptor& field) {
  if (field.is_map()) {
    const auto& entry = *field.message_type();
    return "map of " + WireType(*entry.map_value());
  }
  return (field.is_repeated() ? "list of " : "") + WireType(field);
}

const char* StageName(GateStage stage) {
  switch (stage) {
    case GateStage::kAlpha:
      return "alpha";
    case GateStage::kBeta:
      return "beta";
    case GateStage::kGA:
      return "GA";
    case GateStage::kDeprecated:
      return "deprecated";
  }
  return "";
}

// Whether what the gate is about is there; that another value of it is refused is a remark.
void JudgeGate(const GateInfo& gate, ReferenceRow& row) {
  const auto& missing = GatesNotBuilt();
  auto without = std::find_if(missing.begin(), missing.end(),
                              [&](const MissingGate& each) { return row.name == each.name; });
  const char* switches = NoteOf(GatesInUse(), row.name);
  const char* always = NoteOf(GatesAlwaysOn(), row.name);
  if (without != missing.end() && !IsBuilt(*without)) {
    row.support = Support::kNotBuilt;
    row.remark = without->text;
  } else if (switches != nullptr) {
    row.remark = switches;
  } else if (always != nullptr || without != missing.end()) {
    row.remark = always != nullptr ? always : without->text;
    if (!gate.locked) Add(row.remark, "so with either value");
  } else {
    row.support = Support::kAccepted;
    row.remark = "of other components";
  }
  if (gate.locked) Add(row.remark, "locked: any other value is refused, as upstream");
}

}  // namespace

const char* SupportName(Support support) {
  switch (support) {
    case Support::kWorks:
      return "works";
    case Support::kAccepted:
      return "accepted";
    case Support::kNotBuilt:
      return "not built";
    case Support::kRefused:
      return "refused";
  }
  return "";
}

std::vector<ReferenceRow> FlagRows() {
  std::vector<ReferenceRow> rows;
  for (const FlagSpec* spec : AllFlags()) {
    ReferenceRow row;
    row.name = std::string("--") + spec->name;
    row.kind = TypeName(spec->type);
    if (row.kind.empty()) row.kind = "bool";
    row.default_text = ShownDefault(*spec);
    row.group = GroupTitle(spec->group);
    row.remark = spec->help;
    const auto& off = NotBuiltFlags();
    if (const char* const* path = std::get_if<const char*>(&spec->target)) {
      row.other = *path;
      JudgeField(*path, row);
    } else if (std::find(off.begin(), off.end(), spec->name) != off.end()) {
      row.support = Support::kNotBuilt;
      Add(row.remark, "named in a warning at the start");
    } else if (spec->status == FlagStatus::kCadvisor) {
      row.support = Support::kAccepted;
      Add(row.remark, "without effect: there is no cAdvisor inside");
    }
    Judge(row.name, row);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<ReferenceRow> FieldRows() {
  std::vector<ReferenceRow> rows;
  v1beta1::KubeletConfiguration defaults;
  SetDefaults(defaults);
  InjectEvictionHard(defaults, false);
  for (const std::string& path : LeafPaths()) {
    ReferenceRow row;
    row.name = path;
    FieldRef ref = FindField(defaults, path);
    row.kind = FieldType(*ref.field);
    if (!IsUnset(ref)) row.default_text = FieldText(ref);
    if (const char* help = NoteOf(FieldHelp(), path)) row.remark = help;
    if (const FlagSpec* flag = FlagOfField(path)) {
      row.other = std::string("--") + flag->name;
      if (row.remark.empty()) row.remark = flag->help;
    }
    JudgeField(path, row);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<ReferenceRow> GateRows() {
  std::vector<ReferenceRow> rows;
  for (const char* all : {"AllAlpha", "AllBeta"}) {
    ReferenceRow row;
    row.name = all;
    row.kind = "-";
    row.default_text = "false";
    row.remark = "all gates of that stage that are not set by themselves";
    rows.push_back(std::move(row));
  }
  for (const GateInfo& gate : FeatureGates::Known()) {
    ReferenceRow row;
    row.name = gate.name;
    row.kind = StageName(gate.stage);
    row.default_text = gate.default_on ? "true" : "false";
    JudgeGate(gate, row);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace kubelet::config
