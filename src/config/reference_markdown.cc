#include <map>

#include "config/help.h"
#include "kubelet/config/reference.h"

namespace kubelet::config {
namespace {

// Of a table cell: what would end it or be taken for markup.
std::string Cell(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '|') {
      out += "\\|";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '*') {
      out += "\\*";
    } else {
      out += c;
    }
  }
  return out;
}
std::string Code(const std::string& text) {
  if (text.empty()) return "";
  std::string out;
  for (char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return "`" + out + "`";
}

std::string Line(const ReferenceRow& row, bool other) {
  return "| " + Code(row.name) + " | " + Cell(row.kind) + " | " + Code(row.default_text) + " | " +
         (other ? Code(row.other) + " | " : "") + SupportName(row.support) + " | " +
         Cell(row.remark) + " |\n";
}

std::string Count(const std::vector<ReferenceRow>& rows) {
  std::map<Support, int> count;
  for (const auto& row : rows) ++count[row.support];
  return std::to_string(rows.size()) + ": " + std::to_string(count[Support::kWorks]) + " work, " +
         std::to_string(count[Support::kAccepted]) + " are accepted without full effect, " +
         std::to_string(count[Support::kNotBuilt]) + " are not built, " +
         std::to_string(count[Support::kRefused]) + " are refused.\n";
}

std::string FlagTables() {
  auto rows = FlagRows();
  std::string out = "## Flags\n\n" + Count(rows);
  for (const auto& title : FlagGroupTitles()) {
    out += std::string("\n### ") + title.title +
           "\n\n| flag | type | default | field | state | remark |\n|---|---|---|---|---|---|\n";
    for (const auto& row : rows) {
      if (row.group == title.title) out += Line(row, true);
    }
  }
  return out;
}

}  // namespace

std::string ReferenceTables() {
  auto fields = FieldRows();
  std::string out = FlagTables() + "\n## Fields of KubeletConfiguration\n\n" + Count(fields) +
                    "\n| field | type | default | flag | state | remark |\n"
                    "|---|---|---|---|---|---|\n";
  for (const auto& row : fields) out += Line(row, true);
  auto gates = GateRows();
  out += "\n## Feature gates\n\n" + Count(gates) +
         "\n| gate | stage | default | state | remark |\n|---|---|---|---|---|\n";
  for (const auto& row : gates) out += Line(row, false);
  return out;
}

}  // namespace kubelet::config
