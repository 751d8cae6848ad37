#include <fstream>
#include <sstream>

#include "app/cli_docs.h"
#include "catch.h"
#include "kubelet/server/endpoint_reference.h"

namespace kubelet::app {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream in(KUBELET_SOURCE_DIR "/" + path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// Line by line, so that a failure shows what drifted.
TEST_CASE("deploy/docs/reference.md is what the tables say; deploy/docs/update.sh mends it") {
  std::istringstream wanted(ReferenceDocument()), committed(ReadFile("deploy/docs/reference.md"));
  std::string left, right;
  int line = 0;
  while (std::getline(wanted, left)) {
    INFO("line " << ++line);
    REQUIRE(std::getline(committed, right));
    REQUIRE(right == left);
  }
  CHECK_FALSE(std::getline(committed, right));
}

TEST_CASE("every endpoint of the table has a state, and some work") {
  int works = 0;
  for (const auto& row : server::EndpointRows()) {
    INFO(row.path);
    CHECK((row.state == "works" || row.state == "refused"));
    works += row.state == "works" ? 1 : 0;
  }
  CHECK(works >= 10);
}

TEST_CASE("docs and completion know what they do not know") {
  CHECK(RunDocs({}) == 2);
  CHECK(RunDocs({"poem"}) == 2);
  CHECK(RunCompletion({"csh"}) == 2);
  CHECK(RunCompletion({}) == 2);
}

}  // namespace
}  // namespace kubelet::app
