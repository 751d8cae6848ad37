// One connection: moves bytes between a transport and a protocol session, asks for signs of life,
// and hands answers to those who wait for them. Core loop only.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "kubelet/client/dial.h"
#include "client/session.h"
#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"

namespace kubelet::client {

class Connection;

// One request under way. Destroying it gives the answer up.
class Exchange : public StreamSink {
 public:
  Exchange(base::Executor executor, base::Clock& clock) : event_(std::move(executor), clock) {}
  ~Exchange() override;

  // Until something of the below may have changed. False: the deadline passed.
  base::Task<bool> Wait(std::optional<base::MonoTime> deadline) { return event_.Wait(deadline); }
  const std::optional<ResponseHead>& head() const { return head_; }
  // What of the body has come; the server may then send as much again.
  std::string TakeData();
  bool has_data() const { return !data_.empty(); }
  bool ended() const { return ended_; }
  const std::optional<Failure>& failure() const { return failure_; }

 private:
  friend class Connection;
  void OnHead(ResponseHead head) override;
  void OnData(std::string_view bytes) override;
  void OnEnd() override;
  void OnFailure(Failure failure) override;

  base::WakeEvent event_;
  std::shared_ptr<Connection> connection_;
  int64_t id_ = -1;
  std::optional<ResponseHead> head_;
  std::string data_;
  bool ended_ = false;
  std::optional<Failure> failure_;
};

class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  virtual void OnBytes() = 0;  // the server is alive
  virtual void OnRoom() = 0;   // CanOpen may have become true
  virtual void OnTick() = 0;   // every ping_after or so
  // A watch has brought nothing for ping_after, and the protocol has no pings. Told every
  // ping_after.
  virtual void OnSilence() = 0;
  virtual void OnClosed(Connection& connection) = 0;
};

struct ConnectionOptions {
  base::Nanos ping_after, ping_timeout;
  base::Nanos watch_silence;  // of a watch, where the protocol has no pings
  base::Nanos idle_timeout = std::chrono::seconds(90);  // without a stream
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(base::Executor executor, base::Clock& clock, std::shared_ptr<Transport> transport,
             std::unique_ptr<Session> session, ConnectionOptions options,
             std::weak_ptr<ConnectionOwner> owner);
  void Start();
  bool CanOpen() const { return !closed_ && session_->CanOpen(); }
  std::unique_ptr<Exchange> Open(Request request);
  // Takes no more requests and closes when the last has ended; watches end now, with `reason`.
  void Retire(const absl::Status& reason);
  // Requests in flight fail with `reason`.
  void Close(const absl::Status& reason);
  // Closes when nothing is under way, or a sign of life that was asked for is overdue: an answer
  // that takes its time is no reason to end the others.
  void CloseIfStale(const absl::Status& reason);
  // The server gave no sign of life: closes when this is a watch without pings that is as silent.
  void CloseIfSilent(const absl::Status& reason);

 private:
  friend class Exchange;
  template <typename F>
  void WithStream(F f);
  void Forget(int64_t id);
  void Consumed(int64_t id, size_t n);
  void Read();
  void Write();
  void Settle();
  void Tick();
  void Arm(base::MonoTime when);
  // How long the watches have brought nothing.
  base::Nanos Silence() const;

  base::Executor executor_;
  base::Clock& clock_;
  std::shared_ptr<Transport> transport_;
  std::unique_ptr<Session> session_;
  ConnectionOptions options_;
  std::weak_ptr<ConnectionOwner> owner_;
  std::map<int64_t, Exchange*> watches_;
  std::string in_, out_;
  bool reading_ = false, writing_ = false, closed_ = false;
  bool pings_ = true;  // so far as is known: the protocol has them
  base::MonoTime last_read_{}, watch_opened_{};
  std::optional<base::MonoTime> pinged_, idle_since_;
  base::Clock::TimerId timer_{};
};

}  // namespace kubelet::client
