// The connections to one server: which one takes a request, when to dial, and what happens to them
// when the credentials change. Core loop only.
//
// HTTP/2: one connection, a second only while the first is full or being replaced. HTTP/1.1: one
// per request in flight, kept for the next. Nobody dials while another dial is under way that will
// do for both. After a failed dial requests fail at once with its cause until the back-off (100 ms
// doubling to 1 s) is over.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/connection.h"
#include "kubelet/client/proxy.h"
#include "kubelet/client/http_api.h"

namespace kubelet::client {

// Those who wait for something to change.
class Waiters {
 public:
  Waiters(base::Executor executor, base::Clock& clock) : executor_(executor), clock_(clock) {}
  // False: the deadline passed.
  base::Task<bool> Wait(base::MonoTime deadline);
  void NotifyAll();
  size_t size() const { return events_.size(); }

 private:
  base::Executor executor_;
  base::Clock& clock_;
  std::list<base::WakeEvent*> events_;
};

class ConnectionPool : public ConnectionOwner, public std::enable_shared_from_this<ConnectionPool> {
 public:
  ConnectionPool(HttpApi::Deps deps, ClientConfig config, HttpApiOptions options);

  // What the kubeconfig says is wrong and stays so (a bad URL); OK otherwise.
  const absl::Status& problem() const { return problem_; }
  const ServerUrl& server() const { return server_; }
  // What to present now. Askers share one question.
  base::Task<absl::StatusOr<Presented>> Present(base::MonoTime deadline);
  // Until there is a connection that takes a request. Unavailable: none could be made, or the
  // back-off after a failed dial is not over. DeadlineExceeded.
  base::Task<absl::Status> Ready(base::MonoTime deadline);
  // Sends a request over a connection that shows the certificate of the last Present. Unavailable:
  // no connection could be made. DeadlineExceeded.
  base::Task<absl::StatusOr<std::unique_ptr<Exchange>>> Open(Request request,
                                                             base::MonoTime deadline);
  void CloseAll(const absl::Status& reason);
  // Those that may be dead; all of them where HTTP/2 is switched off, as upstream does.
  void CloseStale(const absl::Status& reason);
  // Nothing works from here on.
  void Shutdown();
  std::optional<base::MonoTime> last_answer() const { return last_answer_; }

 private:
  struct Entry {
    std::shared_ptr<Connection> connection;
    uint64_t certificate = 0;  // fingerprint of what was shown
  };
  base::Task<void> Fetch(std::shared_ptr<ConnectionPool> self);
  base::Task<void> DialOne(std::shared_ptr<ConnectionPool> self);
  // Asks the server for a sign of life in the way of a request, for watches over HTTP/1.1.
  base::Task<void> Probe(std::shared_ptr<ConnectionPool> self);
  base::Task<bool> Answers(base::MonoTime deadline);
  void StartFetch();
  void NoteCredentials();
  std::shared_ptr<Connection> Usable() const;
  void Adopt(std::shared_ptr<Transport> transport, uint64_t certificate);
  void NoteFailure(const absl::Status& status);
  DialTarget Target() const;

  void OnBytes() override { last_answer_ = deps_.clock.Mono(); }
  void OnRoom() override { room_.NotifyAll(); }
  void OnTick() override;
  void OnSilence() override;
  void OnClosed(Connection& connection) override;

  HttpApi::Deps deps_;
  ClientConfig config_;
  HttpApiOptions options_;
  ServerUrl server_;
  std::optional<Proxy> proxy_;
  absl::Status problem_;

  Waiters credentials_changed_, room_;
  absl::StatusOr<Presented> presented_ = absl::UnavailableError("no credentials yet");
  uint64_t fetches_ = 0;
  bool fetching_ = false;
  bool probing_ = false;
  uint64_t certificate_ = 0;  // fingerprint of presented_

  std::vector<Entry> connections_;
  int dialing_ = 0;
  bool http1_ = false;  // the last dial's outcome
  uint64_t failures_ = 0;
  absl::Status last_failure_;
  base::Nanos back_off_{0};
  base::MonoTime next_dial_{};
  std::optional<base::MonoTime> last_answer_;
  bool shut_ = false;
  std::unique_ptr<base::TaskScope> scope_;
};

}  // namespace kubelet::client
