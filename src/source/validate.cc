// `kubelet validate FILE...`
#include <map>
#include <set>

#include "kubelet/base/status.h"
#include "kubelet/source/manifest.h"
#include "source/manifest_dir.h"

namespace kubelet::source {
namespace {

struct Count {
  int files = 0;
  int errors = 0;
};

void CheckFile(const std::string& path, const Origin& from, std::ostream& out, Count& count,
               std::map<std::string, std::string>& owners) {
  ++count.files;
  auto error = [&](const std::string& text) {
    ++count.errors;
    out << path << ": error: " << text << "\n";
  };
  auto reading = ReadManifest(path);
  absl::Status status = reading.ok() ? reading->status : reading.status();
  if (!status.ok()) return error(base::Message(status));
  Origin origin = from;
  origin.location = path;
  Judged judged = JudgeManifest(reading->text, origin);
  for (const auto& text : judged.errors)
    error(judged.name.empty() ? text : "pod " + judged.name + ": " + text);
  for (const auto& text : judged.warnings) out << path << ": warning: " << text << "\n";
  if (!judged.pod) return;
  std::set<std::string> others;
  for (const auto& claim : {"pod " + judged.name, "uid " + judged.pod->metadata().uid()}) {
    auto [owner, added] = owners.emplace(claim, path);
    if (!added && others.insert(owner->second).second)
      error(claim + " is already provided by " + owner->second);
  }
  if (others.empty()) out << path << ": ok: pod " << judged.name << "\n";
}

}  // namespace

int ValidateFiles(const std::vector<std::string>& files, const std::string& node_name,
                  std::ostream& out, References references) {
  Count count;
  Origin origin;
  origin.node_name = node_name;
  origin.references = references;
  std::map<std::string, std::string> owners;
  for (const auto& path : files) {
    auto place = FindManifests(path, false);
    if (!place.ok()) {
      out << path << ": error: " << base::Message(place.status()) << "\n";
      ++count.errors;
      continue;
    }
    for (const auto& file : place->paths) {
      auto info = os::Stat(file);
      if (!place->single && info.ok() && info->kind != os::FileKind::kRegular) continue;
      CheckFile(file, origin, out, count, owners);
    }
  }
  if (count.errors > 0) {
    out << count.errors << (count.errors == 1 ? " error" : " errors") << " in " << count.files
        << (count.files == 1 ? " file\n" : " files\n");
  }
  return count.errors == 0 ? 0 : 1;
}

}  // namespace kubelet::source
