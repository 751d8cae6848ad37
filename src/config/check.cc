// `kubelet config check`.
#include "config/defaults.h"
#include "config/document.h"
#include "config/text.h"
#include "config/validation.h"
#include "kubelet/base/status.h"
#include "kubelet/config/config.h"

namespace kubelet::config {
namespace {

// Problems of one document on top of its own defaults. (A drop-in is checked as if it stood alone.)
std::vector<Problem> ProblemsOf(Document document) {
  std::vector<Problem> problems;
  for (const std::string& strict : document.strict) problems.push_back({"", strict});
  SetDocumentDefaults(document, {});
  ResolvePaths(document.config, "/");
  const JsonValue* eviction = document.json.Find("evictionHard");
  InjectEvictionHard(document.config, eviction != nullptr && !eviction->IsNull());
  FeatureGates gates;
  const auto& given = document.config.feature_gates();
  for (const std::string& problem : gates.Set({given.begin(), given.end()})) {
    problems.push_back({"featureGates", problem});
  }
  for (Problem& problem : ValidateConfiguration(document.config, gates))
    problems.push_back(std::move(problem));
  return problems;
}

// The field a strict decoding problem speaks of: the text between its first quotes.
std::string QuotedField(const std::string& message) {
  size_t begin = message.find('"');
  size_t end = begin == std::string::npos ? begin : message.find('"', begin + 1);
  return end == std::string::npos ? "" : message.substr(begin + 1, end - begin - 1);
}

void Print(const std::string& file, const std::string& text, const Problem& problem,
           std::ostream& out) {
  std::string field = problem.field.empty() ? QuotedField(problem.message) : problem.field;
  int line = field.empty() ? 0 : LineOf(text, field);
  out << file << ":" << (line > 0 ? std::to_string(line) + ":" : "") << " " << problem.ToString()
      << "\n";
}

// False when it has a problem.
bool CheckFile(const std::string& file, const FileReader& reader, std::ostream& out) {
  absl::StatusOr<std::string> text = reader.Read(file);
  if (!text.ok()) {
    out << file << ": " << base::Message(text.status()) << "\n";
    return false;
  }
  absl::StatusOr<Document> document = ReadDocument(*text);
  if (!document.ok()) {
    Print(file, *text, {"", base::Message(document.status())}, out);
    return false;
  }
  std::vector<Problem> problems = ProblemsOf(*std::move(document));
  for (const Problem& problem : problems) Print(file, *text, problem, out);
  return problems.empty();
}

}  // namespace

int CheckFiles(const std::vector<std::string>& files, const FileReader& reader, std::ostream& out) {
  int code = 0;
  for (const std::string& file : files) {
    if (!CheckFile(file, reader, out)) code = 1;
  }
  return code;
}

int CheckFiles(const std::vector<std::string>& files, std::ostream& out) {
  return CheckFiles(files, FileReader(), out);
}

}  // namespace kubelet::config
