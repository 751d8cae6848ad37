// Holds one certificate pair and has it replaced in time: what the client's and the serving
// certificate have in common. Core loop; knows the files, the API and the subject by its hooks
// only.
//
//   look (files, clock)  -> ComputeNext -> wait | attempt: key, request, approval, store -> look
//
// Looks every ten seconds, and at once when woken: a clock that jumped or a file that changed takes
// effect then, forgets back-offs, and ends an attempt that is not needed any more.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/certificate_next.h"
#include "client/files.h"
#include "client/x509.h"
#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/metrics.h"
#include "kubelet/client/api.h"
#include "kubelet/client/credentials.h"

namespace kubelet::client {

// The pair to use now.
struct HeldPair {
  PemPair pem;
  CertificateInfo info;
  std::string origin;   // where it was found, for messages
  std::string warning;  // what else is wrong there; empty: nothing
  bool force = false;   // to be replaced at the first opportunity
};

struct PairLook {
  absl::StatusOr<HeldPair> pair = absl::NotFoundError("not looked yet");
  std::vector<std::string> files;  // whose change makes another look worth while
};

// An API to ask, and what keeps it alive.
struct ApiLease {
  Api* api = nullptr;
  std::shared_ptr<void> keep;
};

class CertificateRotator {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    std::function<double()> random;  // [0, 1)
    base::Counter* errors = nullptr;
    base::Gauge* ttl = nullptr;          // seconds; +Inf: none
    base::Histogram* rotated = nullptr;  // seconds the one before had lived
  };
  struct Options {
    std::string what;  // "client certificate", for messages
    std::string signer;
    bool rotate = true;
    // Where the key waits while there is no valid certificate, for a restart to go on with the same
    // request; empty: each request has a key and a made-up name of its own.
    std::string key_file;
  };
  struct Hooks {
    // On a pool thread; own what they touch.
    std::function<PairLook(base::WallTime now)> look;
    std::function<absl::Status(const PemPair& pair, base::WallTime now)> store;
    // On the loop. What to ask for; nullopt: nothing at present.
    std::function<std::optional<CsrTemplate>()> want;
    // `valid`: `held` is good enough to ask with. Counts the failures since the last success. The
    // task owns what it touches.
    std::function<base::Task<absl::StatusOr<ApiLease>>(std::shared_ptr<const HeldPair> held,
                                                       bool valid, int failures)>
        open;
    std::function<void()> changed;  // pair() or the state of health() is another; may be empty
  };
  CertificateRotator(Deps deps, Options options, Hooks hooks);
  ~CertificateRotator();
  void Start();
  base::Task<void> Stop();

  // Waits for the first look at the files; null: there is none.
  base::Task<std::shared_ptr<const HeldPair>> Get();
  std::shared_ptr<const HeldPair> pair() const;
  uint64_t generation() const;  // of pair(); 0: none yet
  CertificateHealth health() const;
  // The server does not take this generation.
  void Rejected(uint64_t generation);
  // Looks again now: what is wanted may be another.
  void Wake();

 private:
  struct State;
  std::shared_ptr<State> state_;
  base::TaskScope scope_;
};

}  // namespace kubelet::client
