// An API that knows certificate signing requests only, and the signer behind it.
#pragma once

#include <list>
#include <map>

#include "creds_support.h"
#include "k8s/certificates/v1/certificates.pb.h"
#include "kubelet/client/api.h"
#include "kubelet/client/credentials.h"

namespace kubelet::client::support {

class FakeSigner {
 public:
  using Csr = k8s::io::api::certificates::v1::CertificateSigningRequest;
  FakeSigner(base::Executor executor, base::Clock& clock) : executor_(executor), clock_(clock) {}

  enum class Mode { kApprove, kHold, kDeny, kFail };
  Mode mode = Mode::kApprove;
  absl::Status refuse;  // not OK: every call ends with it
  base::Nanos life = std::chrono::hours(24);
  base::Nanos server_clock{};  // ahead of the node's
  TestCa ca;

  int creates = 0;
  std::map<std::string, Csr> csrs;
  std::vector<std::string> presented;  // what each client came with: bearer token or `cert:CN`

  // Approves and issues, denies, or fails what waits.
  void Decide(const std::string& name, Mode how);
  void DecideAll(Mode how) {
    std::vector<std::string> names;
    for (const auto& [name, csr] : csrs) names.push_back(name);
    for (const auto& name : names) Decide(name, how);
  }
  void Remove(const std::string& name);
  // The watches end in good order.
  void EndWatches();
  size_t open_watches() const { return watches_.size(); }

  // A client of this API with these credentials.
  std::unique_ptr<Api> Client(Credentials* credentials);

 private:
  friend class SignerClient;
  friend class SignerStream;
  struct Watch {
    std::string name;
    std::vector<WatchEvent> queue;
    bool ended = false;
    std::shared_ptr<base::WakeEvent> wake;
  };
  void Tell(const std::string& name, WatchEvent::Type type);
  absl::Status Create(const Csr& body, Csr* out);

  base::Executor executor_;
  base::Clock& clock_;
  int next_ = 0;
  std::list<std::shared_ptr<Watch>> watches_;
};

}  // namespace kubelet::client::support
