#include <sstream>

#include "source_bench.h"

namespace kubelet::source {
namespace {

TEST_CASE("validate: every error of every file at once") {
  TempDir dir;
  auto file = [&](const std::string& name, const std::string& text) {
    WriteFile(dir.path + "/" + name, text);
    return dir.path + "/" + name;
  };
  auto good = file("good.yaml", Manifest("good"));
  auto two = file("two.yaml",
                  "apiVersion: v1\nkind: Pod\nmetadata: {name: two}\nspec:\n  containers:\n"
                  "  - {name: a}\n  - {name: b}\n");
  auto docs = file("docs.yaml", Manifest("docs") + "---\n" + Manifest("more"));
  auto copy = file("copy.yaml", Manifest("good", "other"));
  auto broken = file("broken.yaml", "a: [");
  auto run = [&](const std::vector<std::string>& files, int want) {
    std::ostringstream out;
    CHECK(ValidateFiles(files, "n", out) == want);
    return out.str();
  };
  CHECK(run({good}, 0) == good + ": ok: pod default/good-n\n");
  std::string all = run({good, two, docs, copy, broken, dir.path + "/absent"}, 1);
  INFO(all);
  CHECK(Contains(all, good + ": ok"));
  CHECK(
      Contains(all, two + ": error: pod default/two-n: spec.containers[0].image: Required value"));
  CHECK(
      Contains(all, two + ": error: pod default/two-n: spec.containers[1].image: Required value"));
  CHECK(Contains(all, docs + ": warning: 2 YAML documents"));
  CHECK(Contains(all, docs + ": ok"));
  CHECK(Contains(all, copy + ": error: pod default/good-n is already provided by " + good));
  CHECK(Contains(all, broken + ": error: "));
  CHECK(Contains(all, dir.path + "/absent: error: "));
  // A directory: what the kubelet would read.
  file(".hidden", "x");
  fs::create_directory(dir.path + "/sub");
  std::string listed = run({dir.path}, 1);
  CHECK_FALSE(Contains(listed, ".hidden"));
  CHECK_FALSE(Contains(listed, "/sub"));
  CHECK(Contains(listed, "in 5 files"));
}

}  // namespace
}  // namespace kubelet::source
