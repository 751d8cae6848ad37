#include "source/go_dump.h"

#include <algorithm>

#include "catch.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/defaults.h"
#include "kubelet/api/pod.h"
#include "kubelet/base/hash.h"
#include "kubelet/source/manifest.h"
#include "source/go_quantity.h"
#include "source/go_types.h"
#include "source/go_uid_cases.h"

namespace kubelet::source {
namespace {

std::string DumpOf(const std::string& yaml) {
  auto json = api::YamlToJson(yaml);
  REQUIRE(json.ok());
  api::core::Pod pod;
  REQUIRE(api::DecodeJson(*json, pod).ok());
  api::ApplyPodDefaults(pod);
  return GoPodDump(pod, *json);
}

std::string UidOf(const std::string& manifest, const std::string& place) {
  return base::Fnv1a128Hex(DumpOf(manifest) + place);
}

std::string DumpQuantity(const std::string& text) {
  auto quantity = GoQuantity::Parse(text);
  return quantity ? quantity->Dump() : "none";
}

std::string DumpSum(const std::string& a, const std::string& b) {
  auto sum = GoQuantity::Parse(a);
  sum->Add(*GoQuantity::Parse(b));
  return sum->Dump();
}

TEST_CASE("static pods have the uid that the Go kubelet gives them") {
  for (const GoUidCase& c : kGoUidCases) {
    INFO(c.name);
    CHECK(UidOf(c.manifest, "host:node-1file:/etc/kubernetes/manifests/x.yaml") == c.file_uid);
    CHECK(UidOf(c.manifest, "url:http://h/x") == c.url_uid);
  }
}

TEST_CASE("the uid of a manifest is Go's, whatever the path is written like") {
  const GoUidCase& c = kGoUidCases[0];
  Origin origin;
  origin.node_name = "node-1";
  origin.location =
      GENERATE("/etc/kubernetes/manifests/x.yaml", "/etc//kubernetes/./manifests/x.yaml");
  Judged judged = JudgeManifest(c.manifest, origin);
  REQUIRE(judged.pod);
  CHECK(judged.pod->metadata().uid() == c.file_uid);
  CHECK(api::Annotation(*judged.pod, api::kConfigHash) == c.file_uid);
  CHECK(api::Annotation(*judged.pod, api::kManifestAnnotation).size() == 32);
  origin.kind = Origin::Kind::kHttp;
  origin.location = "http://h/x";
  judged = JudgeManifest(c.manifest, origin);
  REQUIRE(judged.pod);
  CHECK(judged.pod->metadata().uid() == c.url_uid);
}

TEST_CASE("an empty list that is written and one that is absent are two things to Go") {
  std::string start =
      "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: c";
  CHECK(DumpOf(start + "}]}}").find("Args:([]string)<nil>") != std::string::npos);
  CHECK(DumpOf(start + ", args: null}]}}").find("Args:([]string)<nil>") != std::string::npos);
  CHECK(DumpOf(start + ", args: []}]}}").find("Args:([]string)[]") != std::string::npos);
  CHECK(DumpOf(start + ", args: [\"\", b]}]}}").find("Args:([]string)[ b]") != std::string::npos);
}

TEST_CASE("a quantity is dumped in the form Go keeps it in") {
  CHECK(DumpQuantity("1500m") ==
        "{i:(resource.int64Amount){value:(int64)1500 scale:(resource.Scale)-3} "
        "d:(resource.infDecAmount){Dec:(*inf.Dec)<nil>} s:(string)1500m "
        "Format:(resource.Format)DecimalSI}");
  CHECK(DumpQuantity("0.1").find("value:(int64)1 scale:(resource.Scale)-1") != std::string::npos);
  CHECK(DumpQuantity("8Mi").find("value:(int64)8388608 ") != std::string::npos);
  CHECK(DumpQuantity("8Mi").find("s:(string) ") != std::string::npos);
  CHECK(DumpQuantity("12Mi").find("s:(string)12Mi ") != std::string::npos);
  CHECK(DumpQuantity("1.5Gi").find("abs:(big.nat)[1610612736000000000]} scale:(inf.Scale)9") !=
        std::string::npos);
  CHECK(DumpQuantity("9223372036854775808").find("[0 500000000]") != std::string::npos);
  for (const char* bad : {"", "x", "1Q", "-1", "1e", "1e1001", "1.2.3"}) {
    INFO(bad);
    CHECK(DumpQuantity(bad) == "none");
  }
}

TEST_CASE("quantities are added as Go adds them") {
  CHECK(DumpSum("1", "500m").find("value:(int64)1500 scale:(resource.Scale)-3") !=
        std::string::npos);
  CHECK(DumpSum("1", "500m").find("s:(string) ") != std::string::npos);
  CHECK(DumpSum("0", "1Gi").find("BinarySI") != std::string::npos);
  CHECK(DumpSum("1Gi", "0.5Gi").find("[1610612736000000000]} scale:(inf.Scale)9") !=
        std::string::npos);
  CHECK(DumpSum("9e18", "900000000000000001").find("[9900000000000000001]} scale:(inf.Scale)0") !=
        std::string::npos);
}

TEST_CASE("every struct that the table of Go's types names is in it") {
  GoTypes types;
  auto pod = types.Fields("core.Pod");
  REQUIRE(pod);
  CHECK(pod->size() == 4);
  std::vector<std::string> open = {"core.Pod"}, seen;
  while (!open.empty()) {
    std::string type = open.back();
    open.pop_back();
    if (std::find(seen.begin(), seen.end(), type) != seen.end()) continue;
    seen.push_back(type);
    auto fields = types.Fields(type);
    for (const auto& field : fields.value_or(std::vector<GoField>())) {
      size_t at = field.type.find_last_of("*]");
      std::string of(at == field.type.npos ? field.type : field.type.substr(at + 1));
      if (types.Fields(of)) open.push_back(of);
    }
  }
  CHECK(seen.size() > 130);
  CHECK_FALSE(types.Fields("core.Nothing"));
  auto volume = types.Fields("core.VolumeSource");
  REQUIRE(volume);
  CHECK(volume->front().key == "hostPath");
}

}  // namespace
}  // namespace kubelet::source
