#include <boost/system/system_error.hpp>

#include "client/files.h"
#include "client/x509.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/client/serving_certificate.h"

namespace kubelet::client {
namespace {

using namespace std::chrono_literals;

struct Looked {
  bool changed = false;
  FileStamp stamp;
  absl::StatusOr<std::string> pem = absl::UnknownError("not read");
};

absl::StatusOr<std::string> ReadBundle(const std::string& path) {
  ASSIGN_OR_RETURN(std::string text, ReadSmallFile(path));
  auto certificates = ParseCertificates(text);
  if (!certificates.ok()) return base::Annotate(certificates.status(), path);
  return CertificatesPem(*certificates);
}

Looked LookOnce(const std::string& path, const FileStamp& before, bool force) {
  Looked out;
  out.stamp = StampOf(path);
  out.changed = force || out.stamp != before;
  if (out.changed) out.pem = ReadBundle(path);
  return out;
}

}  // namespace

struct CaBundle::State {
  State(std::string p, Deps d) : path(std::move(p)), deps(std::move(d)) {}
  std::string path;
  Deps deps;
  std::string pem;
  uint64_t generation = 0;
  FileStamp stamp;
  absl::Status problem = absl::UnavailableError("not read yet");
  bool ended = false;

  static base::Task<void> Run(std::shared_ptr<State> self);
  void Take(absl::StatusOr<std::string> read);
};

void CaBundle::State::Take(absl::StatusOr<std::string> read) {
  bool news = read.status() != problem;
  problem = read.status();
  if (!problem.ok()) {
    if (news)
      LOG_ERROR("CA certificates cannot be read", "file", path, "err", problem, "lastGoodKept",
                !pem.empty());
    return;
  }
  if (*read == pem) return;
  pem = *std::move(read);
  ++generation;
  LOG_INFO("CA certificates in use", "file", path, "generation", generation);
  if (deps.changed) deps.changed();
}

base::Task<void> CaBundle::State::Run(std::shared_ptr<State> self) {
  for (;;) {
    std::function<absl::StatusOr<Looked>()> work = [path = self->path, stamp = self->stamp,
                                                    force = !self->problem.ok()] {
      return absl::StatusOr<Looked>(LookOnce(path, stamp, force));
    };
    auto looked = co_await self->deps.pool.Run<Looked>("credentials", 10s, std::move(work));
    if (self->ended) co_return;
    if (looked.ok() && looked->changed) {
      self->stamp = looked->stamp;
      self->Take(std::move(looked->pem));
    }
    if (!looked.ok()) self->Take(looked.status());
    co_await base::SleepFor(self->deps.clock, 10s);
  }
}

CaBundle::CaBundle(std::string path, Deps deps)
    : state_(std::make_shared<State>(std::move(path), deps)), scope_(deps.executor) {}
CaBundle::~CaBundle() { state_->ended = true; }
void CaBundle::Start() { scope_.Spawn("ca bundle", State::Run(state_)); }
base::Task<void> CaBundle::Stop() { return scope_.Stop(); }
const std::string& CaBundle::pem() const { return state_->pem; }
uint64_t CaBundle::generation() const { return state_->generation; }
const absl::Status& CaBundle::problem() const { return state_->problem; }

}  // namespace kubelet::client
