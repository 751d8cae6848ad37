// Certificates for pods, by PodCertificateRequest (certificates.k8s.io/v1beta1): one key and chain
// for each projected podCertificate source. Core loop only.
//
// The first question for a source begins it: a key is made, a request created, and its answer
// waited for on one watch of this node's requests, which is open only while somebody waits. The
// certificate is renewed with a new key after status.beginRefreshAt and up to five minutes of
// jitter. When a renewal fails it is tried again (1 s doubling to a minute) and the old certificate
// served. A request that was denied or has failed ends it for good, also in a renewal, as upstream.
// A request that nobody shows any more ten minutes after it was made is made anew. Nothing is kept
// over a restart. Facts: pkg/kubelet/podcertificate of 1.36.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "k8s/certificates/v1beta1/certificates.pb.h"
#include "kubelet/api/types.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/metrics.h"
#include "kubelet/client/collection.h"

namespace kubelet::client {

struct PodCertificateBundle {
  std::string key_pem;    // PKCS#8
  std::string chain_pem;  // leaf first
};

class PodCertificates {
 public:
  struct Deps {
    Reflector::Deps watch;
    base::BlockingPool& pool;  // makes keys
    std::string node_name;
    std::function<std::string()> node_uid;  // empty: not registered yet
    std::function<double()> random;         // [0, 1)
    // There is a certificate, another one, or there will be none.
    std::function<void(const std::string& pod_uid)> on_change;
    // A warning for the pod. May be empty.
    std::function<void(const api::core::Pod&, const std::string& reason,
                       const std::string& message)>
        on_event;
    base::Registry* metrics = nullptr;  // kubelet_podcertificate_states
  };
  explicit PodCertificates(Deps deps);
  ~PodCertificates();

  // Unavailable: not issued yet; on_change tells. FailedPrecondition: there will be none, with the
  // signer's reason.
  absl::StatusOr<PodCertificateBundle> Get(const api::PodPtr& pod, const std::string& volume,
                                           int source);
  void ForgetPod(const std::string& uid);

 private:
  struct Key {
    std::string uid, volume;
    int source = 0;
    auto operator<=>(const Key&) const = default;
  };
  struct Entry;
  using EntryPtr = std::shared_ptr<Entry>;
  using Request = ::k8s::io::api::certificates::v1beta1::PodCertificateRequest;

  base::Task<void> Drive(Key key, EntryPtr entry);
  base::Task<absl::Status> Issue(EntryPtr entry);
  base::Task<absl::StatusOr<std::string>> Create(EntryPtr entry, std::string* key_pem);
  base::Task<absl::Status> WaitAnswer(EntryPtr entry, std::string key_pem);
  absl::Status Answered(Entry& entry, const Request& request, const std::string& key_pem,
                        bool* done);
  void Refuse(Entry& entry, const Request& request, const std::string& type);
  void Watch(int change);
  void Remind(Entry& entry);
  void Changed(Entry& entry);
  void CountStates();

  Deps deps_;
  base::Family<base::Gauge>* states_ = nullptr;
  std::set<std::pair<std::string, std::string>> counted_;  // series of it
  std::map<Key, EntryPtr> entries_;
  int waiting_ = 0;  // entries that wait for an answer
  std::unique_ptr<Collection> requests_;
  base::TaskScope scope_;
};

// A new key of `RSA3072`, `RSA4096`, `ECDSAP256`, `ECDSAP384`, `ECDSAP521` or `ED25519` in PKCS#8
// PEM, and a PKCS#10 request in DER without a subject, signed with it. Blocking: RSA takes seconds.
struct KeyAndProof {
  std::string key_pem, request_der;
};
absl::StatusOr<KeyAndProof> MakeKeyAndProof(const std::string& key_type);

}  // namespace kubelet::client
