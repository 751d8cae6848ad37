// Certificate pairs on disk, as upstream lays them out (client-go util/certificate, file store).
//
//   <dir>/<prefix>-2026-01-02-15-04-05.pem   certificates, then the key; 0600; never changed
//   <dir>/<prefix>-current.pem               symbolic link to the one in use
//   <dir>/<prefix>-updated.pem               the link on its way; renamed onto `current`
//
// A crash between any two steps of Update leaves the old pair or the new one in use. Unlike
// upstream: a `current` that cannot be used does not end anything, the newest older pair that can
// be stands in (also for a first pair whose link was never made); a regular file in the place of
// `current` is kept under another name; names carry UTC.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/x509.h"

namespace kubelet::client {

struct StoredPair {
  PemPair pem;
  CertificateInfo info;
  std::string path;     // of the certificate
  std::string warning;  // why it is not what `current` names; empty when it is
};

// Every call blocks. A value; one writer at a time.
class CertificateStore {
 public:
  // Of `cert_file` and `key_file` a pair may be taken while the store has none of its own, and
  // then of <dir>/<prefix>.crt and .key.
  CertificateStore(std::string prefix, std::string dir, std::string cert_file = "",
                   std::string key_file = "");

  // NotFound: there is no pair. FailedPrecondition: there are files, none is usable; says which
  // and why.
  absl::StatusOr<StoredPair> Load() const;
  // Makes the pair the current one. InvalidArgument when they do not belong together: nothing is
  // touched.
  absl::StatusOr<StoredPair> Update(const PemPair& pair, base::WallTime now) const;

  std::string CurrentPath() const { return Path("current"); }
  std::string Path(const std::string& qualifier) const {
    return dir_ + "/" + prefix_ + "-" + qualifier + ".pem";
  }
  // What a change of shows that Load may say something else.
  std::vector<std::string> Files() const;
  const std::string& dir() const { return dir_; }

 private:
  absl::Status Recover() const;
  absl::Status Link(const std::string& file, base::WallTime now) const;
  std::vector<std::string> Dated() const;
  std::string prefix_, dir_, cert_file_, key_file_;
};

}  // namespace kubelet::client
