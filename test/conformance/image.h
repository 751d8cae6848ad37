// Images without a registry on the network: made out of this machine's busybox (or an OCI layout in
// a tar), and served by a registry of our own on loopback, where the runtime pulls them. Runtimes
// speak plain HTTP with `localhost:PORT`.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "fakes/http2_server.h"

namespace kubelet::conformance {

std::string Sha256(const std::string& bytes);  // `sha256:<hex>`

// A tar file in memory, entry by entry; times are 0 and owners root. Pure.
class TarWriter {
 public:
  void Directory(const std::string& path, int mode);
  void File(const std::string& path, int mode, const std::string& content);
  void Link(const std::string& path, const std::string& target);
  std::string Finish();

 private:
  void Header(const std::string& path, int mode, size_t size, char type, const std::string& target);
  std::string out_;
};
// Regular files of a tar (ustar, GNU long names are not needed here). InvalidArgument: not a tar.
absl::StatusOr<std::map<std::string, std::string>> ReadTar(const std::string& bytes);

// What all our images have in common.
struct BaseImage {
  std::string layer, layer_type;  // bytes, and `application/vnd.oci.image.layer.v1.tar[+gzip]`
  std::string diff_id;            // digest of the layer's tar
};
// FailedPrecondition: there is no static busybox at `busybox`. Blocking.
absl::StatusOr<BaseImage> ImageOfBusybox(const std::string& busybox);
// The first image of an OCI layout that has one layer. Blocking.
absl::StatusOr<BaseImage> ImageOfTar(const std::string& file);

// Every tag of these repositories exists (but for tags that begin with `missing`), and each is an
// image of its own: a tag that nobody used before is one that nobody has pulled.
//   busybox    runs `sh`                      entry     ENTRYPOINT, CMD, ENV and WORKDIR are set
//   user       USER 1001                      username  USER nobody
//   private    busybox, for those who say user `conformance`, password `secret`
class Registry {
 public:
  Registry(base::Executor executor, BaseImage base);
  ~Registry();
  std::string host() const;  // localhost:PORT
  // Digest of the manifest of `busybox:1`.
  std::string digest() const;
  // Requests for a manifest by tag: how often the runtime came for it.
  int asked(const std::string& repository, const std::string& tag) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::unique_ptr<fakes::HttpServer> server_;
};

}  // namespace kubelet::conformance
