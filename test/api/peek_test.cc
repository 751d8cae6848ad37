#include "api/peek_json.h"
#include "catch.h"
#include "kubelet/base/status.h"

namespace kubelet::api {
namespace {

std::string Peeked(const std::string& json) {
  bool well_formed = false;
  absl::StatusOr<TypeMeta> type = PeekJson(json, well_formed);
  CHECK((well_formed || !type.ok()));
  return type.ok() ? type->api_version + " " + type->kind : base::Message(type.status());
}

TEST_CASE("kind and apiVersion are found anywhere at the top", "[codec]") {
  CHECK(Peeked(R"({"kind":"Pod","apiVersion":"v1"})") == "v1 Pod");
  CHECK(
      Peeked(
          R"({"spec":{"kind":"No","a":[{"apiVersion":7}]},"apiVersion":"v1","x":[],"kind":"Pod","y":1})") ==
      "v1 Pod");
  CHECK(Peeked(R"({"kind":"A","kind":"B"})") == " B");
  CHECK(Peeked(R"({"kind":null})") == " ");
  CHECK(Peeked("{}") == " ");
  CHECK(Peeked("{\"kind\":\"a\xff\"}") == " a\xEF\xBF\xBD");
}

TEST_CASE("a document without a type is told apart from text that is not JSON", "[codec]") {
  CHECK(Peeked("[]") == "expected an object, got array");
  CHECK(Peeked("7") == "expected an object, got number");
  CHECK(Peeked("null") == "expected an object, got null");
  CHECK(Peeked(R"({"kind":7})") == "kind: expected a string, got number");
  CHECK(Peeked(R"({"apiVersion":{}})") == "apiVersion: expected a string, got object");
  CHECK(Peeked("{kind: Pod}") == "invalid JSON: line 1: syntax error");
  bool well_formed = true;
  CHECK(!PeekJson("{kind: Pod}", well_formed).ok());
  CHECK(!well_formed);
}

TEST_CASE("YAML and JSON documents are peeked at alike", "[codec]") {
  for (const char* document : {R"( {"kind":"Pod","apiVersion":"v1"})",
                               "apiVersion: v1\nkind: Pod\n", "{kind: Pod, apiVersion: v1}",
                               "# a comment\nkind: Pod\napiVersion: v1\nspec: {kind: No}\n"}) {
    INFO(document);
    absl::StatusOr<TypeMeta> type = PeekTypeMeta(document);
    REQUIRE(type.ok());
    CHECK(type->kind == "Pod");
    CHECK(type->api_version == "v1");
  }
  CHECK(base::Message(PeekTypeMeta(R"({"kind":7})").status()) ==
        "kind: expected a string, got number");
  CHECK(base::Message(PeekTypeMeta("kind: 7").status()) == "kind: expected a string, got number");
  CHECK(!PeekTypeMeta("{kind: [").ok());
  CHECK(!PeekTypeMeta("- kind: Pod").ok());
}

}  // namespace
}  // namespace kubelet::api
