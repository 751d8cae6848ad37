// When the next certificate is asked for, and how long after a failure. Pure.
#pragma once

#include <optional>

#include "client/x509.h"
#include "kubelet/base/time.h"

namespace kubelet::client {

enum class RotationReason { kNever, kMissing, kExpired, kRejected, kForced, kTemplate, kAge };

struct Rotation {
  base::WallTime at;  // means nothing with kNever
  RotationReason reason = RotationReason::kNever;
  bool operator==(const Rotation&) const = default;
};

struct RotationInput {
  std::optional<CertificateInfo> current;  // what is held
  std::optional<CsrTemplate> want;         // nullopt: nothing to ask for at present
  bool rotate = true;     // off: only what is missing, expired or rejected is asked for
  bool force = false;     // to be replaced at the first opportunity
  bool rejected = false;  // by the server, for long enough
  double jitter = 0;      // [0, 1), drawn once for each certificate
};

// At once when something is wrong with the certificate, else at 70 to 90 % of its life. One that is
// not valid yet is not replaced: the clock is wrong, here or there, and both come right by waiting.
Rotation ComputeNext(const RotationInput& input, base::WallTime now);

// What stands between two attempts after `failures` of them: 2 s doubling to 32 s, up to a tenth
// more by `jitter` (client-go util/certificate).
base::Nanos ComputeDelay(int failures, double jitter);

}  // namespace kubelet::client
