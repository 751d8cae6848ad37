#include "kubelet/client/kubeconfig.h"

#include "creds_support.h"

using namespace kubelet;
using namespace kubelet::client;
using namespace kubelet::client::support;

namespace {

// One context; `cluster` and `user` are lines of those objects.
std::string Config(const std::string& cluster, const std::string& user,
                   const std::string& rest = "") {
  return "apiVersion: v1\nkind: Config\ncurrent-context: c\n" + rest +
         "contexts:\n- name: c\n  context: {cluster: k, user: u}\n"
         "clusters:\n- name: k\n  cluster:\n    server: https://10.0.0.1:6443\n" +
         cluster + "users:\n- name: u\n  user:\n    x-unknown: 1\n" + user;
}

std::string Error(const std::string& text, const std::string& context = "") {
  auto config = ParseKubeconfig(text, "/etc/k/node.conf", context);
  REQUIRE_FALSE(config.ok());
  CHECK(config.status().code() == absl::StatusCode::kInvalidArgument);
  std::string message(config.status().message());
  CHECK(message.rfind("kubeconfig /etc/k/node.conf: ", 0) == 0);
  return message.substr(std::string("kubeconfig /etc/k/node.conf: ").size());
}

ClientConfig Good(const std::string& text, const std::string& context = "") {
  auto config = ParseKubeconfig(text, "/etc/k/node.conf", context);
  INFO(config.status());
  REQUIRE(config.ok());
  return *config;
}

}  // namespace

TEST_CASE("kubeconfig: files stand beside the kubeconfig, data wins over files") {
  auto c =
      Good(Config("    certificate-authority: pki/ca.crt\n    tls-server-name: api\n"
                  "    proxy-url: socks5://p:1080\n    disable-compression: true\n",
                  "    client-certificate: ../c.pem\n    client-key: /abs/key.pem\n"
                  "    tokenFile: t\n"));
  CHECK(c.source == "/etc/k/node.conf");
  CHECK(c.server == "https://10.0.0.1:6443");
  CHECK(c.ca_file == "/etc/k/pki/ca.crt");
  CHECK(c.cert_file == "/etc/c.pem");
  CHECK(c.key_file == "/abs/key.pem");
  CHECK(c.token_file == "/etc/k/t");
  CHECK(c.tls_server_name == "api");
  CHECK(c.proxy_url == "socks5://p:1080");
  CHECK(c.disable_compression);
  CHECK(c.default_namespace == "default");
  auto d = Good(Config("    certificate-authority: ca\n    certificate-authority-data: Q0E=\n",
                       "    client-certificate: c\n    client-certificate-data: Q0VSVA==\n"
                       "    client-key-data: S0VZ\n    client-key: k\n"));
  CHECK(d.ca_pem == "CA");
  CHECK(d.ca_file == "");
  CHECK(d.cert_pem == "CERT");
  CHECK(d.cert_file == "");
  CHECK(d.key_pem == "KEY");
  CHECK(d.key_file == "");
}

TEST_CASE("kubeconfig: JSON, another context, a server with a path") {
  const std::string json = R"({"current-context":"a","contexts":[
    {"name":"a","context":{"cluster":"k","user":"u"}},
    {"name":"b","context":{"cluster":"l","user":"v","namespace":"ns"}}],
    "clusters":[{"name":"k","cluster":{"server":"https://k"}},
                {"name":"l","cluster":{"server":"https://l:1/p/?q=1","insecure-skip-tls-verify":true}}],
    "users":[{"name":"u","user":null},{"name":"v","user":{"token":"t"}}]})";
  CHECK(Good(json).server == "https://k");
  CHECK(Good(json).token == "");
  auto b = Good(json, "b");
  CHECK(b.server == "https://l:1/p");
  CHECK(b.insecure_skip_verify);
  CHECK(b.token == "t");
  CHECK(b.default_namespace == "ns");
  CHECK(b.context == "b");
  CHECK(Error(json, "z") == "context: \"z\" is not in contexts");
}

TEST_CASE("kubeconfig: exec plugins, passwords, impersonation") {
  auto c = Good(Config(
      "    extensions:\n    - name: client.authentication.k8s.io/exec\n      extension: {a: [1]}\n",
      "    as: joe\n    as-groups: [g1, g2]\n    as-user-extra: {scope: [x]}\n"
      "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: ./bin/p\n"
      "      args: [-x]\n      env: [{name: A, value: b}]\n      interactiveMode: IfAvailable\n"
      "      provideClusterInfo: true\n      installHint: get it\n"));
  REQUIRE(c.exec);
  CHECK(c.exec->command == "/etc/k/bin/p");
  CHECK(c.exec->args == std::vector<std::string>{"-x"});
  CHECK(c.exec->env[0] == std::pair<std::string, std::string>("A", "b"));
  CHECK(c.exec->provide_cluster_info);
  CHECK(c.exec->install_hint == "get it");
  CHECK(c.exec->cluster_config == R"({"a":[1]})");
  REQUIRE(c.headers.size() == 4);
  CHECK(c.headers[0] == std::pair<std::string, std::string>("Impersonate-User", "joe"));
  CHECK(c.headers[3].first == "Impersonate-Extra-scope");
  auto beta = Good(
      Config("", "    exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: p}\n"));
  CHECK(beta.exec->command == "p");
  auto basic = Good(Config("", "    username: u\n    password: p\n"));
  CHECK(basic.username == "u");
  CHECK(basic.password == "p");
}

TEST_CASE("kubeconfig: nothing is presented over plain HTTP, as upstream") {
  auto text = Config("", "    token: t\n    username: ''\n");
  text.replace(text.find("https"), 5, "http");
  CHECK(Good(text).server == "http://10.0.0.1:6443");
  CHECK(Good(text).token == "");
}

TEST_CASE("kubeconfig: errors name the field") {
  const std::string exec = "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n";
  struct Row {
    std::string text, want;
  };
  const Row rows[] = {
      {"", "is empty"},
      {"{}", "is empty"},
      {"- a\n", "the document: expected an object"},
      {"kind: Pod\n", "kind: \"Pod\" is not Config"},
      {"apiVersion: v2\n", "apiVersion: \"v2\" is not v1"},
      {"kind: Config\n", "current-context: there is none"},
      {"current-context: 1\n", "current-context: expected a string"},
      {"current-context: x\n", "current-context: \"x\" is not in contexts"},
      {"current-context: x\ncontexts: 3\n", "contexts: expected a list"},
      {"current-context: x\ncontexts: [{name: x, context: {user: u}}]\n",
       "contexts[0].context.cluster: there is none"},
      {"current-context: x\ncontexts: [{name: x, context: {cluster: k}}]\n",
       "contexts[0].context.user: there is none"},
      {"current-context: x\ncontexts: [{name: x, context: {cluster: k, user: u}}]\n",
       "contexts[0].context.cluster: \"k\" is not in clusters"},
      {"current-context: x\ncontexts: [{name: x, context: {cluster: k, user: u}}]\n"
       "clusters: [{name: k, cluster: {server: https://a}}]\n",
       "contexts[0].context.user: \"u\" is not in users"},
      {"current-context: x\ncontexts: [{name: x, context: {cluster: k, user: u, namespace: A_}}]\n"
       "clusters: [{name: k, cluster: {server: https://a}}]\n",
       "contexts[0].context.namespace: \"A_\" is not the name of a namespace"},
      {"current-context: x\ncontexts: [{name: x}, {name: x}]\n",
       "contexts[1].name: \"x\" stands twice in contexts"},
      {Config("    server: ftp://a\n", ""), "key \"server\" already set"},
      {Config("    insecure-skip-tls-verify: true\n    certificate-authority: a\n", ""),
       "clusters[0].cluster.insecure-skip-tls-verify: not together with"},
      {Config("    insecure-skip-tls-verify: 'yes'\n", ""),
       "clusters[0].cluster.insecure-skip-tls-verify: expected true or false"},
      {Config("    certificate-authority-data: '*'\n", ""),
       "clusters[0].cluster.certificate-authority-data: not base64"},
      {Config("    proxy-url: ftp://x\n", ""), "clusters[0].cluster.proxy-url: \"ftp://x\""},
      {Config("    proxy-url: ftp://p:3128\n", ""),
       "has to begin with http://, https://, socks5://"},
      {Config("    proxy-url: http://:80\n", ""), "has no host"},
      {Config("", "    client-certificate: a\n"), "users[0].user.client-key: a client cert"},
      {Config("", "    token: t\n    username: u\n"), "users[0].user.token: not together with"},
      {Config("", "    tokenFile: t\n    password: u\n"), "users[0].user.token: not together with"},
      {Config("", "    auth-provider: {name: gcp}\n"), "users[0].user.auth-provider: built-in"},
      {Config("", "    as-groups: [g]\n"), "users[0].user.as: as-uid"},
      {Config("", exec), "users[0].user.exec.command: there is none"},
      {Config("", exec + "      command: p\n"), "users[0].user.exec.interactiveMode: has to be"},
      {Config("", exec + "      command: p\n      interactiveMode: Always\n"), "needs a terminal"},
      {Config("", exec + "      command: p\n      interactiveMode: X\n"), "\"X\" is none of"},
      {Config("", exec + "      command: p\n      env: [{value: x}]\n"),
       "users[0].user.exec.env[0].name: not the name"},
      {Config("", "    exec: {apiVersion: v1, command: p}\n"),
       "users[0].user.exec.apiVersion: \"v1\" is neither"},
      {Config("", "    exec: {args: [1]}\n"), "users[0].user.exec.args[0]: expected a string"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    INFO(Error(row.text));
    CHECK(Contains(Error(row.text), row.want));
  }
  auto no_scheme = Config("", "");
  no_scheme.replace(no_scheme.find("https://"), 8, "");
  CHECK(Contains(Error(no_scheme), "clusters[0].cluster.server: \"10.0.0.1:6443\" has to begin"));
}

TEST_CASE("kubeconfig: files that cannot be read are told by field and path") {
  TempDir dir;
  auto absent = LoadKubeconfig(dir / "none");
  CHECK(absl::IsNotFound(absent.status()));
  CHECK(Contains(std::string(absent.status().message()), dir / "none"));
  Write(dir / "k", Config("", "    client-certificate: c.pem\n    client-key: k.pem\n"));
  auto config = LoadKubeconfig(dir / "k");
  CHECK(absl::IsFailedPrecondition(config.status()));
  CHECK(Contains(std::string(config.status().message()), "client-certificate: cannot be read"));
  CHECK(Contains(std::string(config.status().message()), dir / "c.pem"));
  KubeconfigOptions options;
  options.check_files = false;
  CHECK(LoadKubeconfig(dir / "k", options).ok());
  Write(dir / "c.pem", "x");
  Write(dir / "k.pem", "x");
  CHECK(LoadKubeconfig(dir / "k").ok());
  fs::create_directory(dir / "d");
  CHECK(absl::IsFailedPrecondition(LoadKubeconfig(dir / "d").status()));
}

TEST_CASE("kubeconfig: what bootstrap writes is read back, 0600, over what was there") {
  TempDir dir;
  ClientConfig bootstrap;
  bootstrap.server = "https://api.example:6443/p";
  bootstrap.tls_server_name = "true";
  bootstrap.proxy_url = "http://u:p@proxy:3128";
  std::string path = dir / "sub/kubelet.conf";
  Write(path, "rubbish", 0666);
  SECTION("CA data") {
    bootstrap.ca_pem = TestCa().pem();
    REQUIRE(WriteKubeconfig(path, bootstrap, dir / "current.pem").ok());
    Write(dir / "current.pem", "x");
    auto c = LoadKubeconfig(path);
    INFO(c.status());
    REQUIRE(c.ok());
    CHECK(c->ca_pem == bootstrap.ca_pem);
    CHECK(c->server == bootstrap.server);
    CHECK(c->tls_server_name == "true");
    CHECK(c->proxy_url == bootstrap.proxy_url);
    CHECK(c->cert_file == dir / "current.pem");
    CHECK(c->key_file == dir / "current.pem");
    CHECK_FALSE(c->insecure_skip_verify);
    CHECK(ModeOf(path) == 0600);
    CHECK(fs::directory_iterator(dir / "sub")->path() == path);
  }
  SECTION("odd paths and no verification") {
    bootstrap.insecure_skip_verify = true;
    std::string odd = dir / "a b: #\"ü\".pem";
    REQUIRE(WriteKubeconfig(path, bootstrap, odd).ok());
    Write(odd, "x");
    auto c = LoadKubeconfig(path);
    INFO(c.status());
    REQUIRE(c.ok());
    CHECK(c->cert_file == odd);
    CHECK(c->insecure_skip_verify);
    bootstrap.insecure_skip_verify = false;
    bootstrap.ca_file = dir / "ca file";
    REQUIRE(WriteKubeconfig(dir / "new/deep/k", bootstrap, odd).ok());
    KubeconfigOptions options;
    options.check_files = false;
    CHECK(LoadKubeconfig(dir / "new/deep/k", options)->ca_file == dir / "ca file");
  }
}
