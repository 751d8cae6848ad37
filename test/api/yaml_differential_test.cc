// Our reading of YAML against libyaml's, over documents cut off at every byte and documents with
// random damage. What libyaml refuses we must refuse; what both accept must have the same value;
// what only we refuse must be one of the forms listed here.
#include <algorithm>
#include <random>
#include <string>
#include <string_view>

#include "catch.h"
#include "kubelet/api/codec.h"
#include "kubelet/base/status.h"
#include "yaml_corpus.h"
#include "yaml_oracle.h"

namespace kubelet::api {
namespace {

struct Exception {
  std::string_view message;
  const char* reason;
};

// Accepted here and refused by libyaml 0.2.5.
constexpr Exception kLaxer[] = {
    {"found unknown escape character",
     "\\' is an escape in go-yaml v2, which decides, and none in libyaml"},
};

// Refused here (message of ours) and accepted by libyaml. Nothing that a manifest needs.
constexpr Exception kStricter[] = {
    {"did not find expected tag", "the lone `!`, and tags with characters outside of words"},
    {"tag handle with no suffix", "as above: `!!!x`"},
    {"illegal character found while scanning tag handle", "as above"},
    {"cannot assign multiple tags to the same node", "as above: `!!a!b`"},
    {"found incompatible YAML document", "go-yaml v2 refuses %YAML 1.2, libyaml does not"},
    {"after `...`",
     "go-yaml does not look there, libyaml is not asked; junk there is half a document"},
    {"did not find expected alphabetic or numeric character", "anchors followed by ? : or %"},
    {"alias not found after *", "as above"},
    {"unknown anchor referenced", "as above: yaml-cpp's anchors may contain ? and :"},
    {"found character that cannot start any token", "? within a plain scalar in a flow collection"},
    {"did not find expected ','", "? and : within plain scalars in a flow collection"},
    {"found unexpected ':'", "as above"},
    {"did not find expected node content", "as above"},
    {"found a tab character that cannot start any token",
     "a blank line with a tab, indented deeply"},
    {"did not find expected '-' indicator",
     "a plain or |2 scalar of two lines behind a tag or anchor in a sequence (yaml-cpp)"},
    {"block sequence entries are not allowed in this context", "as above"},
    {"could not find expected ':'", "flow mapping keys of two lines; | in the column of its key"},
    {"did not find expected <document start>",
     "| in the column of its `-`; plain text in column 0"},
    {"an explicit key must stand", "yaml-cpp accepts it at any indentation, so none is accepted"},
    {"ambiguous scalar", "block scalars of blanks alone, and indented blank lines at their top"},
};

template <size_t N>
bool IsListed(const Exception (&list)[N], const absl::Status& status) {
  std::string message = base::Message(status);
  return std::any_of(std::begin(list), std::end(list), [&](const Exception& e) {
    return message.find(e.message) != std::string::npos;
  });
}

struct Tally {
  int documents = 0;
  int accepted = 0;
  int stricter = 0;
};

void Compare(const std::string& text, Tally& tally) {
  absl::StatusOr<std::string> ours = YamlToJson(text);
  absl::StatusOr<std::string> judge = YamlOracle(text).ToJson();
  ++tally.documents;
  tally.accepted += ours.ok() && judge.ok();
  if (ours.ok() == judge.ok() && (!ours.ok() || *ours == *judge)) return;
  INFO(text);
  if (ours.ok() && judge.ok()) {
    CHECK(*ours == *judge);
  } else if (ours.ok()) {
    INFO("accepted as " << *ours << ", libyaml: " << judge.status());
    CHECK(IsListed(kLaxer, judge.status()));
  } else {
    ++tally.stricter;
    INFO(ours.status());
    CHECK(IsListed(kStricter, ours.status()));
  }
}

class Damage {
 public:
  explicit Damage(unsigned seed) : random_(seed) {}

  std::string Apply(std::string text) {
    for (unsigned count = 1 + Below(2); count > 0; --count) Once(text);
    return text;
  }

 private:
  size_t Below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }
  char Byte() {
    constexpr std::string_view kBytes = " \t\n\n:-?,[]{}#&*!|>'\"%@`\\ab1~.<=\r/";
    return kBytes[Below(kBytes.size())];
  }

  void Once(std::string& text) {
    size_t pos = Below(text.size());
    switch (Below(6)) {
      case 0:
        text.resize(pos);
        break;
      case 1:
        text.insert(pos, 1, Byte());
        break;
      case 2:
        if (!text.empty()) text[pos] = Byte();
        break;
      case 3:
        text.erase(pos, 1 + Below(4));
        break;
      case 4:
        text.insert(Below(text.size()), text.substr(pos, 1 + Below(20)));
        break;
      default:
        text.insert(pos, 1 + Below(4), ' ');
        break;
    }
  }

  std::mt19937 random_;
};

TEST_CASE("the corpus is read as libyaml reads it", "[yaml]") {
  Tally tally;
  for (const char* text : kYamlCorpus) {
    INFO(text);
    CHECK(YamlToJson(text).ok());
    Compare(text, tally);
  }
  CHECK(tally.accepted == tally.documents);
}

TEST_CASE("a manifest cut off anywhere is refused where libyaml refuses it", "[yaml]") {
  Tally tally;
  for (std::string_view text : kYamlCorpus) {
    for (size_t size = 0; size <= text.size(); ++size) {
      std::string cut(text.substr(0, size));
      CHECK((!YamlToJson(cut).ok() || YamlOracle(cut).ToJson().ok()));
      Compare(cut, tally);
    }
  }
  CHECK(tally.accepted > tally.documents / 4);
  CHECK(tally.stricter < 10);
}

TEST_CASE("damaged manifests are read as libyaml reads them", "[yaml]") {
  Tally tally;
  for (unsigned seed = 1; seed <= 3; ++seed) {
    Damage damage(seed);
    for (const char* text : kYamlCorpus) {
      for (int round = 0; round < 1000; ++round) Compare(damage.Apply(text), tally);
    }
  }
  CHECK(tally.accepted > tally.documents / 5);
  // The list of exceptions must not become the rule.
  CHECK(tally.stricter < tally.documents / 100);
}

}  // namespace
}  // namespace kubelet::api
