// The table against the list of upstream's flags, help and version.
#include "config/flag_table.h"

#include <map>
#include <set>

#include "config/field_path.h"
#include "config/text.h"
#include "support.h"

namespace kubelet::config {
namespace {

// Default as help shows it, as upstream's table writes it.
std::string FactDefault(std::string text) { return text == "\"\"" ? "" : text; }

TEST_CASE("every flag of the list is there, with its default and its deprecation") {
  std::set<std::string> listed;
  for (const auto& row : FactRows("flags.tsv")) {
    std::string name = row[0];
    if (name[0] == '(' || Contains(name, "windows")) continue;
    name = name.substr(2);
    listed.insert(name);
    INFO(name);
    const FlagSpec* spec = FindFlag(name);
    REQUIRE(spec != nullptr);
    CHECK((spec->status != FlagStatus::kCurrent) == (row[3].rfind("yes", 0) == 0));
    const char* const* path = std::get_if<const char*>(&spec->target);
    if (path == nullptr) continue;
    FieldRef ref = FindField(MustLoad({}).kubelet, *path);
    REQUIRE(bool(ref));
  }
  if (listed.empty()) return;
  size_t own = 0;
  for (const FlagSpec* spec : AllFlags()) {
    INFO(spec->name);
    bool ours = spec >= &OwnFlags().front() && spec <= &OwnFlags().back();
    own += ours;
    CHECK(listed.count(spec->name) == (ours ? 0 : 1));
  }
  CHECK(AllFlags().size() == listed.size() + own);
}

TEST_CASE("defaults without configuration are those of the list") {
  LoadedConfig loaded = MustLoad({});
  for (const auto& row : FactRows("flags.tsv")) {
    const FlagSpec* spec = FindFlag(row[0].substr(2));
    if (spec == nullptr) continue;
    const char* const* path = std::get_if<const char*>(&spec->target);
    if (path == nullptr) continue;
    std::string text = FieldText(FindField(loaded.kubelet, *path));
    if (spec->type == FlagType::kStrings && text.size() > 2) text = text.substr(1, text.size() - 2);
    INFO(spec->name);
    CHECK(text == FactDefault(row[2]));
  }
}

TEST_CASE("table entries are sound") {
  std::set<std::string> names;
  std::map<std::string, int> paths;
  v1beta1::KubeletConfiguration config;
  for (const FlagSpec* spec : AllFlags()) {
    INFO(spec->name);
    CHECK(names.insert(spec->name).second);
    CHECK(std::string(spec->help).size() > 3);
    const char* const* path = std::get_if<const char*>(&spec->target);
    if (path == nullptr) continue;
    CHECK(bool(FindField(config, *path)));
    CHECK(++paths[*path] == 1);
  }
}

TEST_CASE("help names every flag once and keeps to its width") {
  std::string help = HelpText();
  for (const FlagSpec* spec : AllFlags()) {
    INFO(spec->name);
    CHECK(Contains(help, std::string("--") + spec->name));
  }
  for (const std::string& line : Split(help, '\n')) {
    INFO(line);
    CHECK(line.size() <= 100);
  }
  CHECK(Contains(help, "  -v, --v level"));
  CHECK(Contains(help, "(default 10250)"));
}

TEST_CASE("version, help and errors decide the exit code") {
  FileReader files("", "/");
  auto run = [&files](const std::vector<std::string>& args, std::string& out, std::string& err) {
    std::ostringstream out_stream;
    std::ostringstream err_stream;
    LoadedConfig loaded;
    std::optional<int> code = LoadOrExit(args, files, out_stream, err_stream, loaded);
    out = out_stream.str();
    err = err_stream.str();
    return code.value_or(-1);
  };
  std::string out;
  std::string err;
  CHECK(run({"--version"}, out, err) == 0);
  CHECK(out == "Kubernetes " + OwnVersion() + "\n");
  CHECK(out.rfind("Kubernetes v1.36.2+cpp.", 0) == 0);
  CHECK(run({"--version=raw"}, out, err) == 0);
  CHECK(Contains(out, "GitVersion:\"" + OwnVersion() + "\""));
  CHECK(run({"--version=v1.36.2-mine", "--version"}, out, err) == 0);
  CHECK(out == "Kubernetes v1.36.2-mine\n");
  CHECK(run({"--version=false"}, out, err) == -1);
  CHECK(run({"--version=v1.36.2-mine"}, out, err) == -1);
  CHECK(run({"-h"}, out, err) == 0);
  CHECK(out == HelpText());
  CHECK(run({"--bogus"}, out, err) == 1);
  CHECK(Contains(err, "unknown flag: --bogus"));
  CHECK(Contains(err, "Usage:"));
  CHECK(out.empty());
  CHECK(run({"--max-pods=-1"}, out, err) == 1);
  CHECK(Contains(err, "Flag --max-pods has been deprecated, "));
  CHECK(Contains(err, "maxPods (--max-pods): is -1, must be at least 0"));
  CHECK(run({"--max-pods=5"}, out, err) == -1);
}

}  // namespace
}  // namespace kubelet::config
