#include "conformance/image.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "conformance/value.h"
#include "kubelet/base/process.h"
#include "kubelet/base/status.h"

namespace kubelet::conformance {
namespace {

constexpr size_t kBlock = 512;
constexpr char kLayer[] = "application/vnd.oci.image.layer.v1.tar";

std::string Octal(uint64_t value, int width) {
  char text[24];
  std::snprintf(text, sizeof text, "%0*llo", width, static_cast<unsigned long long>(value));
  return text;
}

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::FailedPreconditionError("cannot read " + path);
  std::stringstream content;
  content << in.rdbuf();
  return content.str();
}

std::string AfterLastSlash(const std::string& text) {
  size_t slash = text.rfind('/');
  return slash == std::string::npos ? text : text.substr(slash + 1);
}

}  // namespace

std::string Sha256(const std::string& bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr);
  std::string out = "sha256:";
  for (unsigned i = 0; i < size; ++i) {
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", digest[i]);
    out += hex;
  }
  return out;
}

void TarWriter::Header(const std::string& path, int mode, size_t size, char type,
                       const std::string& target) {
  std::string block(kBlock, '\0');
  auto put = [&block](size_t at, const std::string& text) { block.replace(at, text.size(), text); };
  put(0, path.substr(0, 100));
  put(100, Octal(static_cast<uint64_t>(mode), 7));
  put(108, Octal(0, 7));
  put(116, Octal(0, 7));
  put(124, Octal(size, 11));
  put(136, Octal(0, 11));
  put(148, "        ");
  block[156] = type;
  put(157, target.substr(0, 100));
  put(257, std::string("ustar\0"
                       "00",
                       8));
  unsigned sum = 0;
  for (char c : block) sum += static_cast<unsigned char>(c);
  put(148, Octal(sum, 6) + std::string("\0 ", 2));
  out_ += block;
}

void TarWriter::Directory(const std::string& path, int mode) {
  Header(path + "/", mode, 0, '5', "");
}

void TarWriter::File(const std::string& path, int mode, const std::string& content) {
  Header(path, mode, content.size(), '0', "");
  out_ += content;
  out_.append((kBlock - content.size() % kBlock) % kBlock, '\0');
}

void TarWriter::Link(const std::string& path, const std::string& target) {
  Header(path, 0777, 0, '2', target);
}

std::string TarWriter::Finish() {
  out_.append(2 * kBlock, '\0');
  return std::move(out_);
}

absl::StatusOr<std::map<std::string, std::string>> ReadTar(const std::string& bytes) {
  std::map<std::string, std::string> files;
  for (size_t at = 0; at + kBlock <= bytes.size() && bytes[at] != '\0';) {
    if (bytes.compare(at + 257, 5, "ustar") != 0) return absl::InvalidArgumentError("not a tar");
    std::string name(bytes.c_str() + at, strnlen(bytes.c_str() + at, 100));
    std::string prefix(bytes.c_str() + at + 345, strnlen(bytes.c_str() + at + 345, 155));
    size_t size = std::strtoull(bytes.substr(at + 124, 12).c_str(), nullptr, 8);
    char type = bytes[at + 156];
    at += kBlock;
    if (size > bytes.size() - at) return absl::InvalidArgumentError("the tar ends early");
    if (type == '0' || type == '\0')
      files[prefix.empty() ? name : prefix + "/" + name] = bytes.substr(at, size);
    at += (size + kBlock - 1) / kBlock * kBlock;
  }
  return files;
}

absl::StatusOr<BaseImage> ImageOfBusybox(const std::string& busybox) {
  auto program = ReadWhole(busybox);
  if (!program.ok())
    return absl::FailedPreconditionError(base::Message(program.status()) +
                                         " (Debian package busybox-static; or give --image-tar)");
  auto applets = base::RunProcess(busybox, {"--list-full"}, {}, std::chrono::seconds(10));
  if (!applets.ok()) return applets.status();
  TarWriter tar;
  for (const char* path : {"bin", "sbin", "usr", "usr/bin", "usr/sbin", "etc", "root", "home",
                           "proc", "sys", "dev", "run", "srv", "var", "var/log", "var/run"})
    tar.Directory(path, 0755);
  tar.Directory("tmp", 01777);
  tar.File("bin/busybox", 0755, *program);
  std::istringstream lines(applets->out);
  for (std::string line; std::getline(lines, line);)
    if (!line.empty() && line != "bin/busybox" && line != "linuxrc") tar.Link(line, "/bin/busybox");
  tar.File("etc/passwd", 0644,
           "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n");
  tar.File("etc/group", 0644, "root:x:0:\nnogroup:x:65534:\nextra:x:4000:root\n");
  tar.File("etc/nsswitch.conf", 0644, "hosts: files dns\n");
  BaseImage base;
  base.layer = tar.Finish();
  base.layer_type = kLayer;
  base.diff_id = Sha256(base.layer);
  return base;
}

absl::StatusOr<BaseImage> ImageOfTar(const std::string& file) {
  auto bytes = ReadWhole(file);
  if (!bytes.ok()) return bytes.status();
  auto files = ReadTar(*bytes);
  if (!files.ok()) return base::Annotate(files.status(), file);
  auto blob = [&files](const Json* descriptor) -> absl::StatusOr<std::string> {
    if (descriptor == nullptr || !descriptor->is_object())
      return absl::InvalidArgumentError("no OCI layout with an image in it");
    std::string digest = Text(descriptor->as_object(), "digest");
    std::replace(digest.begin(), digest.end(), ':', '/');
    auto found = files->find("blobs/" + digest);
    if (found == files->end()) return absl::InvalidArgumentError("blob " + digest + " is missing");
    return found->second;
  };
  auto index = ParseJson((*files)["index.json"]);
  if (!index.ok()) return base::Annotate(index.status(), file + ": index.json");
  auto manifest_text = blob(Find(*index, "manifests[0]"));
  if (!manifest_text.ok()) return base::Annotate(manifest_text.status(), file);
  auto manifest = ParseJson(*manifest_text);
  if (!manifest.ok()) return base::Annotate(manifest.status(), file);
  auto config_text = blob(Find(*manifest, "config"));
  auto layer = blob(Find(*manifest, "layers[0]"));
  if (!config_text.ok() || !layer.ok() || Find(*manifest, "layers[1]") != nullptr)
    return absl::InvalidArgumentError(file + ": not an image of one layer");
  auto config = ParseJson(*config_text);
  const Json* diff = config.ok() ? Find(*config, "rootfs.diff_ids[0]") : nullptr;
  const Json* type = Find(*manifest, "layers[0].mediaType");
  if (diff == nullptr || type == nullptr)
    return absl::InvalidArgumentError(file + ": the image's config has no diff_ids");
  BaseImage base;
  base.layer = *layer;
  base.layer_type = TextOf(*type);
  base.diff_id = TextOf(*diff);
  return base;
}

struct Registry::State {
  BaseImage base;
  // Makes the images of a run its own: two runs at once do not take each other's away.
  std::string host;
  std::string layer_digest;
  std::map<std::string, std::string> blobs;      // config and manifests, by digest
  std::map<std::string, std::string> manifests;  // digest by repository:tag
  std::map<std::string, int> asked;

  Json Config(const std::string& repository, const std::string& tag) const {
    JsonArray environment{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    JsonObject run{{"Cmd", JsonArray{"sh"}},
                   {"Labels", JsonObject{{"tag", tag}, {"registry", host}}}};
    if (repository == "user") run["User"] = "1001";
    if (repository == "username") run["User"] = "nobody";
    if (repository == "entry") {
      run["Entrypoint"] = JsonArray{"sh", "-c", "echo entry $0 $*; pwd"};
      run["Cmd"] = JsonArray{"one", "two"};
      run["WorkingDir"] = "/srv";
      environment.push_back("FROM_IMAGE=yes");
    }
    run["Env"] = environment;
#if defined(__aarch64__)
    const char* machine = "arm64";
#else
    const char* machine = "amd64";
#endif
    return JsonObject{
        {"architecture", machine},
        {"os", "linux"},
        {"config", run},
        {"rootfs", JsonObject{{"type", "layers"}, {"diff_ids", JsonArray{base.diff_id}}}}};
  }
  const std::string& Manifest(const std::string& repository, const std::string& tag) {
    std::string& digest = manifests[repository + ":" + tag];
    if (!digest.empty()) return digest;
    auto describe = [](const std::string& type, const std::string& blob_digest, size_t size) {
      return JsonObject{{"mediaType", type}, {"digest", blob_digest}, {"size", size}};
    };
    std::string config = boost::json::serialize(Config(repository, tag));
    std::string config_digest = Sha256(config);
    std::string manifest = boost::json::serialize(JsonObject{
        {"schemaVersion", 2},
        {"mediaType", "application/vnd.oci.image.manifest.v1+json"},
        {"config",
         describe("application/vnd.oci.image.config.v1+json", config_digest, config.size())},
        {"layers", JsonArray{describe(base.layer_type, layer_digest, base.layer.size())}}});
    digest = Sha256(manifest);
    blobs[config_digest] = config;
    blobs[digest] = manifest;
    return digest;
  }
  static bool Known(const std::string& repository) {
    for (const char* name : {"busybox", "entry", "user", "username", "private"})
      if (repository == name) return true;
    return false;
  }
  static bool Allowed(const fakes::HttpRequest& request) {
    auto found = request.headers.find("authorization");
    return found != request.headers.end() &&
           found->second == "Basic Y29uZm9ybWFuY2U6c2VjcmV0";  // conformance:secret
  }
  void Handle(const fakes::HttpRequest& request, const fakes::ResponderPtr& responder);
};

void Registry::State::Handle(const fakes::HttpRequest& request,
                             const fakes::ResponderPtr& responder) {
  auto reply = [&](int status, const std::string& type, const std::string& body,
                   const std::string& blob_digest = "") {
    fakes::Responder::Headers headers{{"content-type", type},
                                      {"content-length", std::to_string(body.size())}};
    if (!blob_digest.empty()) headers.emplace_back("docker-content-digest", blob_digest);
    if (status == 401) headers.emplace_back("www-authenticate", "Basic realm=\"conformance\"");
    responder->Head(status, headers);
    responder->Body(body);
    responder->End();
  };
  std::string what = AfterLastSlash(request.path);
  std::string rest = request.path.substr(0, request.path.size() - what.size());
  if (request.path == "/v2/" || request.path == "/v2") return reply(200, "application/json", "{}");
  for (const std::string kind : {"/manifests/", "/blobs/"}) {
    if (rest.size() <= 4 + kind.size() ||
        rest.compare(rest.size() - kind.size(), kind.size(), kind))
      continue;
    std::string repository = rest.substr(4, rest.size() - kind.size() - 4);
    if (!Known(repository) || what.rfind("missing", 0) == 0) break;
    if (repository == "private" && !Allowed(request))
      return reply(401, "application/json",
                   R"({"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]})");
    if (what == layer_digest) return reply(200, "application/octet-stream", base.layer, what);
    bool by_digest = what.rfind("sha256:", 0) == 0;
    if (!by_digest && request.method == "HEAD") ++asked[repository + ":" + what];
    const std::string digest = by_digest ? what : Manifest(repository, what);
    auto found = blobs.find(digest);
    if (found == blobs.end()) break;
    std::string type = kind == "/manifests/" ? "application/vnd.oci.image.manifest.v1+json"
                                             : "application/octet-stream";
    return reply(200, type, found->second, digest);
  }
  reply(404, "application/json",
        R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]})");
}

Registry::Registry(base::Executor executor, BaseImage base) : state_(std::make_shared<State>()) {
  state_->base = std::move(base);
  state_->layer_digest = Sha256(state_->base.layer);
  auto state = state_;
  server_ = std::make_unique<fakes::HttpServer>(
      executor, fakes::HttpServerOptions(),
      [state](const fakes::HttpRequest& request, fakes::ResponderPtr responder) {
        state->Handle(request, responder);
      });
  state_->host = host();
}

Registry::~Registry() = default;

std::string Registry::host() const { return "localhost:" + std::to_string(server_->port()); }

std::string Registry::digest() const { return state_->Manifest("busybox", "1"); }

int Registry::asked(const std::string& repository, const std::string& tag) const {
  auto found = state_->asked.find(repository + ":" + tag);
  return found == state_->asked.end() ? 0 : found->second;
}

}  // namespace kubelet::conformance
