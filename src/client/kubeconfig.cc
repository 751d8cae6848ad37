#include "kubelet/client/kubeconfig.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "client/files.h"
#include "client/json_fields.h"
#include "kubelet/api/codec.h"
#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

constexpr char kExecExtension[] = "client.authentication.k8s.io/exec";

absl::Status Invalid(const std::string& what) { return absl::InvalidArgumentError(what); }

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

bool StartsWith(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

// The entry of a named list (`clusters`, `users`, `contexts`); two of one name are an error.
absl::StatusOr<JsonFields> Named(JsonFields& document, const char* list, const char* member,
                                 const std::string& name, const std::string& asked_by) {
  std::set<std::string> seen;
  std::optional<JsonFields> found;
  for (JsonFields& item : document.Objects(list)) {
    std::string item_name = item.String("name");
    if (!item.status().ok()) return item.status();
    if (!seen.insert(item_name).second)
      return Invalid(item.Path("name") + ": " + Quoted(item_name) + " stands twice in " + list);
    if (item_name == name) found = item.Object(member);
  }
  RETURN_IF_ERROR(document.status());
  if (!found) return Invalid(asked_by + ": " + Quoted(name) + " is not in " + list);
  RETURN_IF_ERROR(found->status());
  return *std::move(found);
}

absl::Status CheckUrl(const std::string& url, const std::string& field,
                      const std::vector<std::string>& schemes, const std::string& allowed) {
  auto end = url.find("://");
  std::string scheme = end == std::string::npos ? "" : url.substr(0, end);
  std::transform(scheme.begin(), scheme.end(), scheme.begin(), ::tolower);
  if (std::find(schemes.begin(), schemes.end(), scheme) == schemes.end())
    return Invalid(field + ": " + Quoted(url) + " has to begin with " + allowed);
  std::string host = url.substr(end + 3, url.find_first_of("/?#", end + 3) - end - 3);
  if (host.empty() || host[0] == ':' || host.find_first_of(" \t\r\n") != std::string::npos)
    return Invalid(field + ": " + Quoted(url) + " has no host");
  return absl::OkStatus();
}

bool IsDnsLabel(const std::string& text) {
  auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
         std::all_of(text.begin(), text.end(), good);
}

// Query and fragment of the server are dropped, a slash at its end too: paths are put behind it.
std::string TrimServer(std::string server) {
  server.resize(std::min(server.find_first_of("?#"), server.size()));
  while (!server.empty() && server.back() == '/') server.pop_back();
  return server;
}

// JSON of the cluster's extension for exec plugins.
std::string ExecClusterConfig(JsonFields& cluster) {
  for (JsonFields& item : cluster.Objects("extensions")) {
    if (item.String("name") != kExecExtension) continue;
    const auto* value = item.Value("extension");
    if (value != nullptr) return boost::json::serialize(*value);
  }
  return "";
}

absl::Status ReadCluster(JsonFields cluster, const std::string& directory, ClientConfig& out) {
  out.server = cluster.String("server");
  out.tls_server_name = cluster.String("tls-server-name");
  out.insecure_skip_verify = cluster.Bool("insecure-skip-tls-verify");
  out.disable_compression = cluster.Bool("disable-compression");
  out.ca_file = Below(directory, cluster.String("certificate-authority"));
  out.ca_pem = cluster.Base64("certificate-authority-data");
  out.proxy_url = cluster.String("proxy-url");
  RETURN_IF_ERROR(cluster.status());
  if (out.server.empty()) return Invalid(cluster.Path("server") + ": there is none");
  RETURN_IF_ERROR(
      CheckUrl(out.server, cluster.Path("server"), {"https", "http"}, "https:// or http://"));
  out.server = TrimServer(out.server);
  if (!out.proxy_url.empty()) {
    RETURN_IF_ERROR(CheckUrl(out.proxy_url, cluster.Path("proxy-url"),
                             {"http", "https", "socks5", "socks5h"},
                             "http://, https://, socks5:// or socks5h://"));
  }
  if (!out.ca_pem.empty()) out.ca_file.clear();
  if (out.insecure_skip_verify && (!out.ca_pem.empty() || !out.ca_file.empty()))
    return Invalid(cluster.Path("insecure-skip-tls-verify") +
                   ": not together with a certificate authority");
  return absl::OkStatus();
}

absl::StatusOr<ExecConfig> ReadExec(JsonFields exec, const std::string& directory) {
  ExecConfig out;
  out.api_version = exec.String("apiVersion");
  out.command = exec.String("command");
  out.install_hint = exec.String("installHint");
  out.args = exec.Strings("args");
  out.provide_cluster_info = exec.Bool("provideClusterInfo");
  std::string mode = exec.String("interactiveMode");
  for (JsonFields& variable : exec.Objects("env")) {
    std::string name = variable.String("name");
    if (name.empty() || name.find('=') != std::string::npos)
      exec.Fail(variable.Path("name"), "not the name of a variable");
    out.env.emplace_back(std::move(name), variable.String("value"));
    exec.Merge(variable);
  }
  RETURN_IF_ERROR(exec.status());
  const std::string group = "client.authentication.k8s.io/";
  bool v1 = out.api_version == group + "v1";
  if (!v1 && out.api_version != group + "v1beta1")
    return Invalid(exec.Path("apiVersion") + ": " + Quoted(out.api_version) + " is neither " +
                   group + "v1 nor " + group + "v1beta1");
  if (out.command.empty()) return Invalid(exec.Path("command") + ": there is none");
  if (mode.empty() && v1)
    return Invalid(exec.Path("interactiveMode") + ": has to be Never or IfAvailable");
  if (mode == "Always")
    return Invalid(exec.Path("interactiveMode") + ": Always needs a terminal, a kubelet has none");
  if (!mode.empty() && mode != "Never" && mode != "IfAvailable")
    return Invalid(exec.Path("interactiveMode") + ": " + Quoted(mode) +
                   " is none of Never, IfAvailable, Always");
  // A bare name is looked up in PATH; `./x` and `bin/x` stand beside the kubeconfig.
  if (out.command.find('/') != std::string::npos) out.command = Below(directory, out.command);
  return out;
}

void ReadImpersonation(JsonFields& user, ClientConfig& out) {
  auto add = [&out](const std::string& name, const std::string& value) {
    if (!value.empty()) out.headers.emplace_back(name, value);
  };
  std::string name = user.String("as");
  add("Impersonate-User", name);
  add("Impersonate-Uid", user.String("as-uid"));
  for (const auto& group : user.Strings("as-groups")) add("Impersonate-Group", group);
  JsonFields extra = user.Object("as-user-extra");
  for (const auto& member : extra.object() == nullptr ? boost::json::object() : *extra.object()) {
    std::string key(member.key().data(), member.key().size());
    for (const auto& value : extra.Strings(key.c_str())) add("Impersonate-Extra-" + key, value);
  }
  user.Merge(extra);
  if (name.empty() && !out.headers.empty())
    user.Fail(user.Path("as"), "as-uid, as-groups and as-user-extra need a user");
  for (const auto& [header, value] : out.headers)
    if ((header + value).find_first_of("\r\n") != std::string::npos)
      user.Fail(user.Path("as"), "a line break in " + header);
}

absl::Status ReadUser(JsonFields user, const std::string& directory, ClientConfig& out) {
  if (user.Has("auth-provider"))
    return Invalid(user.Path("auth-provider") +
                   ": built-in providers are gone from Kubernetes; use an exec plugin (" +
                   user.Path("exec") + ")");
  out.cert_file = Below(directory, user.String("client-certificate"));
  out.cert_pem = user.Base64("client-certificate-data");
  out.key_file = Below(directory, user.String("client-key"));
  out.key_pem = user.Base64("client-key-data");
  out.token = user.String("token");
  out.token_file = Below(directory, user.String("tokenFile"));
  out.username = user.String("username");
  out.password = user.String("password");
  ReadImpersonation(user, out);
  RETURN_IF_ERROR(user.status());
  if (!out.cert_pem.empty()) out.cert_file.clear();
  if (!out.key_pem.empty()) out.key_file.clear();
  bool cert = !out.cert_pem.empty() || !out.cert_file.empty();
  bool key = !out.key_pem.empty() || !out.key_file.empty();
  if (cert && !key)
    return Invalid(user.Path("client-key") + ": a client certificate needs its key");
  if (key && !cert) {  // as upstream: a stray key is no reason not to start
    out.key_file.clear();
    out.key_pem.clear();
  }
  bool basic = !out.username.empty() || !out.password.empty();
  if (basic && (!out.token.empty() || !out.token_file.empty()))
    return Invalid(user.Path("token") + ": not together with " + user.Path("username"));
  if (out.token.find_first_of("\r\n") != std::string::npos)
    return Invalid(user.Path("token") + ": has a line break");
  if (user.Has("exec")) {
    ASSIGN_OR_RETURN(out.exec, ReadExec(user.Object("exec"), directory));
  }
  return absl::OkStatus();
}

// Upstream presents nothing over plain HTTP; neither does this.
void ForgetUser(ClientConfig& out) {
  out.cert_file.clear();
  out.key_file.clear();
  out.cert_pem.clear();
  out.key_pem.clear();
  out.token.clear();
  out.token_file.clear();
  out.username.clear();
  out.password.clear();
  out.exec.reset();
}

absl::StatusOr<ClientConfig> Read(JsonFields document, const std::string& path,
                                  const std::string& context_asked) {
  ClientConfig out;
  out.source = path;
  out.context = context_asked;
  std::string directory = std::filesystem::path(path).parent_path().string();
  if (std::string kind = document.String("kind"); !kind.empty() && kind != "Config")
    return Invalid("kind: " + Quoted(kind) + " is not Config");
  if (std::string version = document.String("apiVersion"); !version.empty() && version != "v1")
    return Invalid("apiVersion: " + Quoted(version) + " is not v1");
  std::string name = context_asked.empty() ? document.String("current-context") : context_asked;
  RETURN_IF_ERROR(document.status());
  if (name.empty()) return Invalid("current-context: there is none");
  const std::string asked_by = context_asked.empty() ? "current-context" : "context";
  ASSIGN_OR_RETURN(JsonFields context, Named(document, "contexts", "context", name, asked_by));
  std::string cluster_name = context.String("cluster"), user_name = context.String("user");
  out.default_namespace = context.String("namespace");
  RETURN_IF_ERROR(context.status());
  if (cluster_name.empty()) return Invalid(context.Path("cluster") + ": there is none");
  if (user_name.empty()) return Invalid(context.Path("user") + ": there is none");
  if (out.default_namespace.empty()) out.default_namespace = "default";
  if (!IsDnsLabel(out.default_namespace))
    return Invalid(context.Path("namespace") + ": " + Quoted(out.default_namespace) +
                   " is not the name of a namespace");
  ASSIGN_OR_RETURN(JsonFields cluster,
                   Named(document, "clusters", "cluster", cluster_name, context.Path("cluster")));
  ASSIGN_OR_RETURN(JsonFields user,
                   Named(document, "users", "user", user_name, context.Path("user")));
  RETURN_IF_ERROR(ReadCluster(cluster, directory, out));
  RETURN_IF_ERROR(ReadUser(user, directory, out));
  if (out.exec) out.exec->cluster_config = ExecClusterConfig(cluster);
  if (StartsWith(out.server, "http://")) ForgetUser(out);
  return out;
}

absl::Status CheckFiles(const ClientConfig& config) {
  const std::pair<const char*, const std::string*> files[] = {
      {"certificate-authority", &config.ca_file},
      {"client-certificate", &config.cert_file},
      {"client-key", &config.key_file},
      {"tokenFile", &config.token_file},
  };
  for (const auto& [field, file] : files) {
    if (file->empty() || (file == &config.token_file && !config.token.empty())) continue;
    auto text = ReadSmallFile(*file);
    if (!text.ok())
      return absl::FailedPreconditionError(std::string(field) +
                                           ": cannot be read: " + base::Message(text.status()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ClientConfig> ParseKubeconfig(std::string_view text, const std::string& path,
                                             const std::string& context) {
  const std::string where = "kubeconfig " + path;
  auto json = api::YamlToJson(text);
  if (!json.ok()) return base::Annotate(json.status(), where);
  auto value = ParseJson(*json);
  if (!value.ok()) return base::Annotate(value.status(), where);
  if (value->is_null() || (value->is_object() && value->get_object().empty()))
    return Invalid(where + ": is empty");
  JsonFields document(&*value, "");
  if (!document.status().ok()) return base::Annotate(document.status(), where);
  auto config = Read(document, path, context);
  if (!config.ok()) return base::Annotate(config.status(), where);
  return config;
}

absl::StatusOr<ClientConfig> LoadKubeconfig(const std::string& path,
                                            const KubeconfigOptions& options) {
  auto text = ReadSmallFile(path);
  if (!text.ok()) return base::Annotate(text.status(), "kubeconfig " + path);
  ASSIGN_OR_RETURN(ClientConfig config, ParseKubeconfig(*text, path, options.context));
  if (options.check_files) {
    absl::Status readable = CheckFiles(config);
    if (!readable.ok()) return base::Annotate(readable, "kubeconfig " + path);
  }
  return config;
}

}  // namespace kubelet::client
