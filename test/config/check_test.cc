// `kubelet config check`, lines of fields, JSON trees, files.
#include "config/document.h"
#include "config/json.h"
#include "config/text.h"
#include "support.h"

namespace kubelet::config {
namespace {

constexpr char kHead[] = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

TEST_CASE("every problem of every file, with file, line and field") {
  TempTree tree;
  tree.Write("/good.yaml", std::string(kHead) + "maxPods: 5\n");
  tree.Write("/bad.yaml", std::string(kHead) +
                              "port: 0x1ffff\nlogging:\n  format: xml\nmaxPodz: 3\nmaxPods: -3\n"
                              "healthzPort: 1\nhealthzPort: 2\n");
  tree.Write("/pod.yaml", "apiVersion: v1\nkind: Pod\n");
  std::ostringstream out;
  CHECK(CheckFiles({"/good.yaml", "/bad.yaml", "/pod.yaml", "/none.yaml"}, tree.Reader(), out) ==
        1);
  std::string text = out.str();
  INFO(text);
  CHECK(Contains(text, "/bad.yaml:6: unknown field \"maxPodz\"\n"));
  CHECK(Contains(text, "/bad.yaml:3: port (--port): is 131071, must be 1 to 65535\n"));
  CHECK(Contains(text,
                 "/bad.yaml:5: logging.format (--logging-format): is \"xml\", must be one of "
                 "\"text\", \"json\"\n"));
  CHECK(Contains(text, "/bad.yaml:7: maxPods (--max-pods): is -3, must be at least 0\n"));
  CHECK(Contains(text, "line 9: key \"healthzPort\" already set in map\n"));
  CHECK(Contains(text, "/pod.yaml: is Pod of v1, must be KubeletConfiguration of "));
  CHECK(Contains(text, "/none.yaml: open /none.yaml"));
  CHECK_FALSE(Contains(text, "good"));
  std::ostringstream quiet;
  CHECK(CheckFiles({"/good.yaml"}, tree.Reader(), quiet) == 0);
  CHECK(quiet.str().empty());
}

TEST_CASE("lines of fields") {
  const std::string kYaml =
      "# port: 1\n"
      "authentication:\n"
      "  webhook:\n"
      "    cacheTTL: 1s\n"
      "  x509:\n"
      "    clientCAFile: x\n"
      "port: 1\n"
      "registerWithTaints:\n"
      "- key: a\n"
      "  effect: b\n";
  CHECK(LineOf(kYaml, "authentication.webhook.cacheTTL") == 4);
  CHECK(LineOf(kYaml, "authentication.x509.clientCAFile") == 6);
  CHECK(LineOf(kYaml, "port") == 7);
  CHECK(LineOf(kYaml, "registerWithTaints") == 8);
  CHECK(LineOf(kYaml, "cacheTTL") == 0);
  CHECK(LineOf(kYaml, "authentication.port") == 0);
  CHECK(LineOf("{\n  \"logging\": {\n    \"format\": \"x\"\n  }\n}\n", "logging.format") == 3);
  CHECK(LineOf("", "a") == 0);
}

TEST_CASE("merge patch, the cases of RFC 7386") {
  struct Case {
    const char* target;
    const char* patch;
    const char* result;
  };
  const Case kCases[] = {
      {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
      {R"({"a":"b"})", R"({"a":null})", R"({})"},
      {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
      {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
      {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
      {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
      {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
      {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
      {R"({"a":"foo"})", R"(null)", R"(null)"},
      {R"({"a":"foo"})", R"("bar")", R"("bar")"},
      {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
      {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
      {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
  };
  for (const Case& test : kCases) {
    INFO(test.target << " + " << test.patch);
    CHECK(WriteJson(MergePatch(*ParseJson(test.target), *ParseJson(test.patch))) == test.result);
  }
}

TEST_CASE("JSON trees keep what they read and refuse what is none") {
  const char* kSame[] = {R"({"a":[1,-2.50e3,"x\"\\",true,false,null,{}],"b":[]})",
                         "12345678901234567890", "\"\""};
  for (const char* text : kSame) CHECK(WriteJson(*ParseJson(text)) == text);
  const char* kBad[] = {"",   "{",    "[1,]", "{\"a\"}", "{\"a\":1,}", "tru",
                        "\"", "\"\\", "1 2",  "{a:1}",   "nulls"};
  for (const char* text : kBad) {
    INFO(text);
    CHECK_FALSE(ParseJson(text).ok());
  }
  CHECK_FALSE(ParseJson(std::string(100'000, '[')).ok());
  CHECK(ParseJson(std::string(400, '[') + std::string(400, ']')).ok());
}

TEST_CASE("files: root, working directory, order, and what is no file") {
  TempTree tree;
  tree.Write("/a/b.conf", "1");
  tree.Write("/a/b/z.conf", "2");
  tree.Write("/a/B.conf", "3");
  FileReader files = tree.Reader("/a");
  CHECK(*files.Read("b.conf") == "1");
  CHECK(*files.Read("/a/../a/b.conf") == "1");
  CHECK(*files.Walk("/a") == std::vector<std::string>{"/a/B.conf", "/a/b/z.conf", "/a/b.conf"});
  CHECK(files.Read("/a").status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(files.Read("/none").status().code() == absl::StatusCode::kNotFound);
  CHECK(files.Walk("/none").status().code() == absl::StatusCode::kNotFound);
  CHECK(files.Absolute("x/../y") == "/a/y");
  // A link to a directory is not entered.
  std::filesystem::create_directory_symlink("b", tree.root() + "/a/link");
  CHECK(files.Walk("/a")->back() == "/a/link");
  tree.Write("/big", std::string((10 << 20) + 1, 'x'));
  CHECK(files.Read("/big").status().code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("paths") {
  CHECK(CleanPath("/a//b/../c/.") == "/a/c");
  CHECK(CleanPath("/..") == "/");
  CHECK(CleanPath("a/../..") == "..");
  CHECK(CleanPath("") == ".");
  CHECK(DirName("/a/b") == "/a");
  CHECK(DirName("/a") == "/");
  CHECK(DirName("a") == ".");
}

}  // namespace
}  // namespace kubelet::config
