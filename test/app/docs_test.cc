#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
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

// Quoted words of a source file that match, without those in `but`.
std::set<std::string> Quoted(const std::string& file, const std::string& pattern,
                             const std::set<std::string>& but = {}) {
  std::string text = ReadFile(file);
  std::set<std::string> found;
  const std::regex words(pattern);
  for (std::sregex_iterator at(text.begin(), text.end(), words), end; at != end; ++at)
    if (but.count((*at)[1]) == 0) found.insert((*at)[1]);
  return found;
}

// Whether a row has the word between slashes, or in braces between commas.
bool Listed(const std::string& word) {
  const std::regex whole("(^|[/{,])" + word + "($|[/},\\[])");
  for (const auto& row : server::EndpointRows())
    if (std::regex_search(row.path, whole)) return true;
  return false;
}

TEST_CASE("every endpoint that the router knows is in the table") {
  auto words = Quoted("src/server/router.cc", "\"([A-Za-z]+)\"", {"GET", "POST", "PUT"});
  CHECK(words.size() > 20);
  for (const auto& word : words) {
    INFO(word);
    CHECK(Listed(word));
  }
}

TEST_CASE("every health check, local page and socket is in the table") {
  auto checks = Quoted("src/app/kubelet_serve.cc", "add\\(\"([a-z-]+)\"");
  CHECK(checks.count("syncloop") == 1);
  for (const auto& word : checks) {
    INFO(word);
    CHECK(Listed(word));
  }
  size_t pages = 0, sockets = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(KUBELET_SOURCE_DIR "/src")) {
    std::string file = entry.path().string().substr(sizeof KUBELET_SOURCE_DIR);
    if (entry.path().extension() != ".cc" || file == "src/server/endpoint_reference.cc") continue;
    for (const auto& page : Quoted(file, "path == \"(/local/[a-z]+)\"")) {
      INFO(file << " " << page);
      CHECK(Listed(page.substr(1)));
      ++pages;
    }
    for (const auto& socket : Quoted(file, "\"/([a-z-]+/kubelet\\.sock)\"")) {
      INFO(file << " " << socket);
      CHECK(Listed(socket));
      ++sockets;
    }
  }
  CHECK(pages >= 3);
  CHECK(sockets >= 1);
}

TEST_CASE("docs and completion know what they do not know") {
  CHECK(RunDocs({}) == 2);
  CHECK(RunDocs({"poem"}) == 2);
  CHECK(RunCompletion({"csh"}) == 2);
  CHECK(RunCompletion({}) == 2);
}

}  // namespace
}  // namespace kubelet::app
