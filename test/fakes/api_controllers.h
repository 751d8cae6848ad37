// What runs beside an API server in a cluster, as little of it as a kubelet's tests need: a
// scheduler for one node, the signer of certificates, the node's taint, and what every namespace
// gets and loses. Acts on changes of the store, from inside it. Single thread.
#pragma once

#include <functional>
#include <string>

#include "fakes/api_registry.h"
#include "kubelet/base/clock.h"

namespace kubelet::fakes {

class ApiControllers {
 public:
  struct Options {
    bool schedule = true;  // pods without a node go to the first that takes them
    bool taint = true;     // removes node.kubernetes.io/not-ready once the node is Ready
    enum class Approval { kAuto, kManual, kDeny } approval = Approval::kAuto;
    base::Nanos approval_delay{};
    std::chrono::seconds certificate_life = std::chrono::hours(24 * 365);
    std::string ca_certificate;  // for the ConfigMap kube-root-ca.crt
    // A CSR in PEM to a certificate in PEM; empty: it is none.
    std::function<std::string(const std::string& csr, std::chrono::seconds life)> sign;
  };

  ApiControllers(ApiRegistry& registry, base::Clock& clock, Options options);
  ~ApiControllers();
  Options& options() { return options_; }
  // Approves or denies a CSR as `kubectl certificate approve` does.
  absl::Status Decide(const std::string& csr, bool approve);

 private:
  void OnChange(const ApiStore::Change& change);
  void OnPod(const Object& object);
  void OnNode(const Object& object);
  void OnCsr(const ApiStore::Change& change);
  void OnNamespace(const ApiStore::Change& change);
  void MarkUnschedulable(const Object& object, const std::string& message);
  void Issue(const Object& object);
  void EmptyNamespace(const std::string& name);
  void FinishNamespace(const std::string& name);

  ApiRegistry& registry_;
  base::Clock& clock_;
  Options options_;
  uint64_t listener_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace kubelet::fakes
