// S3 and S4 by chance: whatever happens to a manifest, its pod neither changes nor disappears,
// unless the file is deleted or its new content is a valid pod.
#include <fcntl.h>

#include <random>

#include "source_bench.h"

namespace kubelet::source {
namespace {

class Spoiler {
 public:
  Spoiler(FileBench& bench, uint32_t seed) : b_(bench), random_(seed) {}

  // What the file has now, or is having, as far as valid content is concerned.
  struct Step {
    std::string what;
    std::string content;
  };

  Step Spoil() {
    switch (Pick(9)) {
      case 0:
        return Truncate();
      case 1:
        return Garble();
      case 2:
        return Append();
      case 3:
        return HalfWritten();
      case 4:
        return Copy();
      case 5:
        return RenameAndBack();
      case 6:
        return Typo();
      case 7:
        return ReplaceByRename();
      default:
        return Edit();
    }
  }
  const std::string& good() const { return good_; }

 private:
  size_t Pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  std::string path() const { return b_.dir + "/web.yaml"; }
  Step Put(const std::string& what, const std::string& content) {
    WriteFile(path(), content);
    return {what, content};
  }
  Step Truncate() { return Put("truncate", good_.substr(0, Pick(good_.size()))); }
  Step Garble() {
    std::string text = good_;
    for (size_t n = 1 + Pick(8); n > 0; --n) text[Pick(text.size())] = static_cast<char>(Pick(256));
    return Put("garble", text);
  }
  Step Append() {
    std::string text = good_;
    for (size_t n = 1 + Pick(200); n > 0; --n) text += static_cast<char>(Pick(256));
    return Put("append", text);
  }
  Step Typo() {
    std::string text = good_;
    text.erase(Pick(text.size()), 1 + Pick(3));
    return Put("typo", text);
  }
  // Written in two parts, the writer being slow but within its hold.
  Step HalfWritten() {
    std::string text =
        Manifest("web", "nginx:" + std::to_string(Pick(1000))) + "    command: [sleep]\n";
    size_t half = Pick(text.size());
    int fd = ::open(path().c_str(), O_WRONLY | O_TRUNC);
    REQUIRE(::write(fd, text.data(), half) == static_cast<ssize_t>(half));
    b_.Advance(std::chrono::milliseconds(Pick(900)));
    REQUIRE(::write(fd, text.data() + half, text.size() - half) >= 0);
    ::close(fd);
    return {"half written", text};
  }
  Step Copy() {
    static const char* const kNames[] = {"web.yaml.bak", "a.yaml", "zz.json", "web.yaml~"};
    std::string copy = kNames[Pick(4)];
    b_.Write(copy, Pick(2) ? good_ : Manifest("web", "copy"));
    b_.Advance(std::chrono::milliseconds(Pick(100)));
    b_.Remove(copy);
    return Put("copy", good_);
  }
  Step RenameAndBack() {
    WriteFile(path(), good_);
    b_.Settle();
    b_.Move("web.yaml", "other.yaml");
    b_.Advance(std::chrono::milliseconds(Pick(100)));
    b_.Move("other.yaml", "web.yaml");
    return {"rename", good_};
  }
  Step ReplaceByRename() {
    std::string text = Pick(2) ? good_.substr(0, Pick(good_.size())) : good_;
    std::string temporary = Pick(2) ? ".tmp" : "web.tmp";
    b_.Write(temporary, text);
    b_.Advance(std::chrono::milliseconds(Pick(40)));
    b_.Move(temporary, "web.yaml");
    return {"replace", text};
  }
  Step Edit() {
    good_ = Manifest("web", "nginx:" + std::to_string(Pick(100000)));
    return Put("edit", good_);
  }

  FileBench& b_;
  std::mt19937 random_;
  std::string good_ = Manifest("web");
};

void Rounds(uint32_t seed, int rounds) {
  FileBench b;
  b.Write("web.yaml", Manifest("web"));
  b.Write("db.yaml", Manifest("db"));
  b.Start();
  std::string db = b.Uid("db");
  std::string expected = b.Uid("web");
  Origin origin;
  origin.location = b.dir + "/web.yaml";
  origin.node_name = "node";
  Spoiler spoiler(b, seed);
  int bad = 0, changed = 0;
  for (int i = 0; i < rounds; ++i) {
    size_t before = b.snapshots.size();
    auto step = spoiler.Spoil();
    b.Settle();
    INFO("seed " << seed << " round " << i << ": " << step.what << "\n" << step.content);
    Judged judged = JudgeManifest(step.content, origin);
    // By chance a spoilt manifest is a valid pod, perhaps of another name: then it counts.
    bool valid = judged.pod != nullptr;
    std::string uid = valid ? judged.pod->metadata().uid() : expected;
    changed += uid != expected;
    bad += !valid;
    std::set<std::string> allowed = {expected, uid};
    // What a rename puts back before it spoils.
    allowed.insert(JudgeManifest(spoiler.good(), origin).pod->metadata().uid());
    for (size_t s = before; s < b.snapshots.size(); ++s) {
      REQUIRE(b.snapshots[s].pods.size() == 2);
      for (const auto& pod : b.snapshots[s].pods) {
        REQUIRE((pod->metadata().uid() == db || allowed.contains(pod->metadata().uid())));
      }
    }
    expected = uid;
    REQUIRE(b.Uids().size() == 2);
    REQUIRE(b.Uid("db") == db);
    bool served = false;
    for (const auto& [name, have] : b.Uids()) served = served || have == expected;
    REQUIRE(served);
    REQUIRE(b.source->problems().empty() == (valid && judged.warnings.empty()));
  }
  CHECK(bad > rounds / 5);
  CHECK(changed > rounds / 50);
  b.Restart();
  CHECK(b.Uid("db") == db);
  bool served = false;
  for (const auto& [name, have] : b.Uids()) served = served || have == expected;
  CHECK(served);
}

TEST_CASE("S3: 1200 corruptions change or remove no pod") {
  for (uint32_t seed = 1; seed <= 6; ++seed) Rounds(seed, 200);
}

}  // namespace
}  // namespace kubelet::source
