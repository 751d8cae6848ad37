#include "image/registry_url.h"

#include "catch.h"

namespace kubelet::image {
namespace {

TEST_CASE("which addresses cover which images") {
  struct Row {
    const char* glob;
    const char* image;
    bool match;
  };
  auto row = GENERATE(
      Row{"a.example", "a.example/team/app", true}, Row{"a.example", "b.example/app", false},
      Row{"*.example", "a.example/app", true}, Row{"*.example", "a.b.example/app", false},
      Row{"*.*.example", "a.b.example/app", true}, Row{"a*.example", "abc.example/x", true},
      Row{"*c.example", "abc.example/x", true}, Row{"a*c*e.example", "abcde.example/x", true},
      Row{"a*d.example", "abc.example/x", false}, Row{"a.example:5000", "a.example:5000/x", true},
      Row{"a.example", "a.example:5000/x", false}, Row{"a.example:5000", "a.example/x", false},
      Row{"a.example:*", "a.example:5000/x", false},
      Row{"a.example/team", "a.example/team/app", true},
      Row{"a.example/team", "a.example/teams", true},
      Row{"a.example/team/", "a.example/teams", false}, Row{"a.example/*", "a.example/team", false},
      Row{"a.example/a%62", "a.example/ab", true}, Row{"[::1]:5000", "[::1]:5000/x", true},
      Row{"[::1]", "[::1]:5000/x", false}, Row{"a.example:bad", "a.example:bad/x", false},
      Row{"a b.example", "a b.example/x", false}, Row{"A.example", "a.example/x", false},
      Row{"", "a/x", false});
  INFO(row.glob << " for " << row.image);
  CHECK(RegistryUrlMatches(row.glob, row.image) == row.match);
}

TEST_CASE("addresses of credential files without scheme and API version") {
  struct Row {
    const char* location;
    const char* key;
  };
  auto row =
      GENERATE(Row{"https://index.docker.io/v1/", "index.docker.io"},
               Row{"http://a.example/v2/", "a.example"}, Row{"a.example/v1/team", "a.example/team"},
               Row{"a.example/v1", "a.example/v1"}, Row{"a.example/", "a.example"},
               Row{"user@a.example/x", "a.example/x"}, Row{"a.example/x?y#z", "a.example/x"});
  INFO(row.location);
  CHECK(RegistryKey(row.location) == std::optional<std::string>(row.key));
}

TEST_CASE("what is no address is none") {
  auto bad = GENERATE(std::string("a.example:x1"), std::string("a b"), std::string("a/%zz"),
                      std::string("a/%1"), std::string("a\x01"), std::string("[::1"),
                      std::string("[::1]x"));
  INFO(bad);
  CHECK_FALSE(RegistryKey(bad).has_value());
  CHECK_FALSE(ParseRegistryUrl(bad).ok());
}

}  // namespace
}  // namespace kubelet::image
