#include "kubelet/image/reference.h"

#include "catch.h"

namespace kubelet::image {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

TEST_CASE("references and their default tag") {
  struct Row {
    std::string in, out;
  };
  auto row = GENERATE_COPY(
      Row{"busybox", "busybox:latest"}, Row{"busybox:1.36", "busybox:1.36"},
      Row{"a/b/c", "a/b/c:latest"}, Row{"localhost/a", "localhost/a:latest"},
      Row{"host:5000/a", "host:5000/a:latest"}, Row{"host:5000/a:v1", "host:5000/a:v1"},
      Row{"[::1]:5000/a", "[::1]:5000/a:latest"}, Row{"Host.example/a", "Host.example/a:latest"},
      Row{"a@" + kDigest, "a@" + kDigest}, Row{"a:v1@" + kDigest, "a:v1@" + kDigest},
      Row{"z/a__b-c.d/x--y", "z/a__b-c.d/x--y:latest"},
      Row{"a:" + std::string(128, 't'), "a:" + std::string(128, 't')}, Row{"a:_x", "a:_x"});
  INFO(row.in);
  auto out = WithDefaultTag(row.in);
  REQUIRE(out.ok());
  CHECK(*out == row.out);
}

TEST_CASE("what is no reference is refused") {
  auto bad = GENERATE_COPY(
      std::string(""), std::string(":v1"), std::string("a:"), std::string("a/"), std::string("/a"),
      std::string("a//b"), std::string("Upper"), std::string("a/Upper"), std::string("a:-x"),
      std::string("a___b"), std::string("a..b"), std::string("-a"), std::string("a-"),
      "a:" + std::string(129, 't'), std::string("a@"), std::string("a@sha256:short"),
      std::string("a b"), std::string("host:port/a"), std::string("a:v1:v2"), std::string(64, 'a'),
      std::string(256, 'a'), "a@md5:" + std::string(32, 'a'), "a@sha256:" + std::string(63, 'a'),
      "a@sha256:" + std::string(64, 'A'));
  INFO(bad);
  CHECK_FALSE(WithDefaultTag(bad).ok());
}

TEST_CASE("names for records, credentials and runtimes") {
  struct Row {
    std::string image, name, repository, full;
  };
  auto row = GENERATE_COPY(
      Row{"busybox", "busybox", "docker.io/library/busybox", "docker.io/library/busybox:latest"},
      Row{"team/app:1", "team/app", "docker.io/team/app", "docker.io/team/app:1"},
      Row{"docker.io/app", "docker.io/app", "docker.io/library/app",
          "docker.io/library/app:latest"},
      Row{"index.docker.io/a/b:2", "index.docker.io/a/b", "docker.io/a/b", "docker.io/a/b:2"},
      Row{"localhost/a", "localhost/a", "localhost/a", "localhost/a:latest"},
      Row{"host:5000/a/b", "host:5000/a/b", "host:5000/a/b", "host:5000/a/b:latest"},
      Row{"host:5000/a:1@" + kDigest, "host:5000/a", "host:5000/a", "host:5000/a@" + kDigest});
  CHECK(WithoutTag(row.image) == row.name);
  CHECK(CredentialName(row.image) == row.repository);
  CHECK(FullReference(row.image) == row.full);
}

}  // namespace
}  // namespace kubelet::image
