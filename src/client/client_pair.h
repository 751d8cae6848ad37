// Which client certificate a node has, and whom it may ask for another: the blocking, stateless
// part of CertificateManager.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "client/certificate_rotator.h"
#include "client/certificate_store.h"
#include "kubelet/client/certificates.h"

namespace kubelet::client {

CertificateStore ClientStore(const CertificateOptions& options);
// The best pair of store and kubeconfig. Writes the kubeconfig when bootstrap has left a pair but
// was interrupted before writing it; with rotation, puts a pair that is inline in the kubeconfig
// into a store that has none.
PairLook LookForClientPair(const CertificateOptions& options, base::WallTime now);
// Makes the pair the store's current one, and has the kubeconfig point to it when that holds no
// valid pair of its own (only with a bootstrap kubeconfig).
absl::Status StoreClientPair(const CertificateOptions& options, const PemPair& pair,
                             base::WallTime now);

// With whose credentials a certificate is asked for.
struct Asker {
  ClientConfig config;
  bool held = false;  // with the pair we hold; else with what `config` names
};
// `valid`: the held pair is good. Otherwise bootstrap kubeconfig, token or plugin of the kubeconfig
// and the old pair take turns by `failures`. FailedPrecondition: there is nothing to ask with.
absl::StatusOr<Asker> ChooseAsker(const CertificateOptions& options, bool has_pair, bool valid,
                                  int failures);

}  // namespace kubelet::client
