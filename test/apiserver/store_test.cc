#include "apiserver/cluster.h"
#include "catch.h"
#include "fakes/api_selectors.h"
#include "fakes/api_store.h"

namespace kubelet::fakes::test {
namespace {

NewObject Map(const std::string& name, const std::string& value) {
  NewObject object = Cluster::Decode("configmaps", R"({"data":{"k":")" + value + "\"}}");
  MetaOf(*object).set_name(name);
  MetaOf(*object).set_namespace_("default");
  return object;
}

TEST_CASE("the store gives names, uids and growing versions", "[apiserver]") {
  base::ManualClock clock;
  ApiStore store(clock, 7);
  auto first = store.Create(Map("a", "1"));
  REQUIRE(first.ok());
  CHECK(MetaOf(**first).resource_version() == "2");
  CHECK(MetaOf(**first).uid().size() == 36);
  CHECK(MetaOf(**first).creation_timestamp().seconds() == 1'700'000'000);
  CHECK(CodeOf(store.Create(Map("a", "2")).status()) == 409);

  NewObject unnamed = Map("", "1");
  MetaOf(*unnamed).set_generate_name("g-");
  auto second = store.Create(std::move(unnamed));
  REQUIRE(second.ok());
  CHECK(MetaOf(**second).name().size() == 7);
  CHECK(MetaOf(**second).name().rfind("g-", 0) == 0);

  NewObject change = CopyOf(**first);
  static_cast<core::ConfigMap&>(*change).mutable_data()->at("k") = "9";
  auto changed = store.Replace(CopyOf(*change));
  CHECK(MetaOf(**changed).resource_version() == "4");
  // The same again is no change.
  CHECK(MetaOf(**store.Replace(std::move(change))).resource_version() == "4");
  CHECK(store.revision() == 4);
  CHECK(CodeOf(store.Replace(Map("none", "1")).status()) == 404);
  CHECK(store.Create(Map("dry", "1"), true).ok());
  CHECK(store.revision() == 4);
}

TEST_CASE("changes are told in order and remembered until compaction", "[apiserver]") {
  base::ManualClock clock;
  ApiStore store(clock, 7);
  std::vector<uint64_t> told;
  store.Listen([&](const ApiStore::Change& change) {
    told.push_back(change.revision);
    // A listener's own change is told after this one.
    if (change.revision == 2) REQUIRE(store.Create(Map("b", "1")).ok());
  });
  std::vector<uint64_t> late;
  store.Listen([&](const ApiStore::Change& change) { late.push_back(change.revision); });
  REQUIRE(store.Create(Map("a", "1")).ok());
  const ApiKind& kind = Cluster::Kind("configmaps");
  REQUIRE(store.Erase(kind, "default", "a").ok());
  CHECK(told == std::vector<uint64_t>{2, 3, 4});
  CHECK(late == told);

  auto changes = store.Since(kind, 2);
  REQUIRE(changes.ok());
  REQUIRE(changes->size() == 2);
  CHECK((*changes)[1].type == ApiStore::Change::Type::kDeleted);
  CHECK(MetaOf(*(*changes)[1].object).resource_version() == "4");
  CHECK(store.Since(Cluster::Kind("secrets"), 2)->empty());
  store.Compact(3);
  CHECK(CodeOf(store.Since(kind, 2).status()) == 410);
  CHECK(store.Since(kind, 3)->size() == 1);
  store.Compact();
  CHECK(store.Since(kind, 4)->empty());
  CHECK(CodeOf(store.Since(kind, 3).status()) == 410);
}

TEST_CASE("a saved store comes back, without its history", "[apiserver]") {
  Cluster cluster;
  REQUIRE(cluster.CreatePod("p").ok());
  base::ManualClock clock;
  ApiStore other(clock, 9);
  REQUIRE(other.Load(cluster.store.Save()).ok());
  CHECK(other.revision() == cluster.store.revision());
  CHECK(other.Save() == cluster.store.Save());
  CHECK(SameObject(*other.Get(Cluster::Kind("pods"), "default", "p"), *cluster.Pod("p")));
  CHECK(CodeOf(other.Since(Cluster::Kind("pods"), other.revision() - 1).status()) == 410);
}

TEST_CASE("selectors", "[apiserver]") {
  NewObject pod =
      Cluster::Decode("pods", R"({"metadata":{"name":"p","namespace":"d","labels":{"a":"1","b":""}},
    "spec":{"nodeName":"n1","containers":[]},"status":{"phase":"Running"}})");
  struct Case {
    const char* field;
    const char* label;
    bool match;
  };
  auto row = GENERATE(values<Case>({
      {"", "", true},
      {"spec.nodeName=n1", "", true},
      {"spec.nodeName==n1,status.phase!=Failed", "", true},
      {"spec.nodeName=n2", "", false},
      {"spec.nodeName=", "", false},
      {"status.phase!=Running", "", false},
      {"metadata.name=p,metadata.namespace=d", "", true},
      {"metadata.namespace=e", "", false},
      {"", "a=1", true},
      {"", "a==1,b=", true},
      {"", "a!=1", false},
      {"", "c!=1", true},
      {"", "a in (1, 2),b", true},
      {"", "a in (2)", false},
      {"", "a notin (1)", false},
      {"", "c notin (1)", true},
      {"", "!c", true},
      {"", "!a", false},
      {"", "c", false},
  }));
  INFO(row.field << " " << row.label);
  auto selector = ApiSelector::Parse(Cluster::Kind("pods"), row.field, row.label);
  REQUIRE(selector.ok());
  CHECK(selector->Matches(*pod) == row.match);
}

TEST_CASE("selectors that are none", "[apiserver]") {
  const ApiKind& pods = Cluster::Kind("pods");
  CHECK(CodeOf(ApiSelector::Parse(pods, "spec.foo=1", "").status()) == 400);
  CHECK(CodeOf(ApiSelector::Parse(pods, "metadata.name", "").status()) == 400);
  CHECK(CodeOf(ApiSelector::Parse(pods, "", "a b").status()) == 400);
  CHECK(CodeOf(ApiSelector::Parse(Cluster::Kind("nodes"), "spec.nodeName=n", "").status()) == 400);
  CHECK(ApiSelector::Parse(pods, "metadata.name=x", "")->name() == "x");
}

}  // namespace
}  // namespace kubelet::fakes::test
