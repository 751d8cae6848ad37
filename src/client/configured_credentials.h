// Credentials of a kubeconfig: text, files, an exec plugin, a password. See MakeCredentials.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/exec_plugin.h"
#include "client/presented.h"
#include "kubelet/base/async.h"
#include "kubelet/client/credentials.h"

namespace kubelet::client {

class ConfiguredCredentials : public Credentials {
 public:
  ConfiguredCredentials(ClientConfig config, CredentialDeps deps);
  ~ConfiguredCredentials() override;

  base::Task<absl::StatusOr<Presented>> Get() override;
  uint64_t generation() const override;
  void Rejected(uint64_t generation) override;
  CertificateHealth health() const override;

 private:
  struct State;
  std::shared_ptr<State> state_;
  base::TaskScope scope_;
};

}  // namespace kubelet::client
