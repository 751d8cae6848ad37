#include "client/connection.h"

#include <algorithm>
#include <boost/asio/write.hpp>

#include "kubelet/base/time.h"
#include "kubelet/client/api.h"

namespace kubelet::client {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr size_t kReadSize = 16 * 1024;
// A ping that is not answered by then tells of a connection that may be dead.
constexpr base::Nanos kPingOverdue = std::chrono::seconds(5);

}  // namespace

Exchange::~Exchange() {
  if (connection_) connection_->Forget(id_);
}

std::string Exchange::TakeData() {
  std::string out = std::exchange(data_, std::string());
  if (connection_ && !out.empty()) connection_->Consumed(id_, out.size());
  return out;
}

void Exchange::OnHead(ResponseHead head) {
  head_ = std::move(head);
  event_.Notify();
}

void Exchange::OnData(std::string_view bytes) {
  data_.append(bytes);
  event_.Notify();
}

void Exchange::OnEnd() {
  ended_ = true;
  event_.Notify();
}

void Exchange::OnFailure(Failure failure) {
  if (ended_ || failure_) return;
  failure_ = std::move(failure);
  event_.Notify();
}

Connection::Connection(base::Executor executor, base::Clock& clock,
                       std::shared_ptr<Transport> transport, std::unique_ptr<Session> session,
                       ConnectionOptions options, std::weak_ptr<ConnectionOwner> owner)
    : executor_(std::move(executor)),
      clock_(clock),
      transport_(std::move(transport)),
      session_(std::move(session)),
      options_(options),
      owner_(std::move(owner)),
      in_(kReadSize, '\0') {}

template <typename F>
void Connection::WithStream(F f) {
  if (transport_->tls) {
    f(*transport_->tls);
  } else {
    f(transport_->wire);
  }
}

void Connection::Start() {
  last_read_ = clock_.Mono();
  idle_since_ = last_read_;
  Arm(last_read_ + options_.ping_after);
  Write();
  Read();
}

std::unique_ptr<Exchange> Connection::Open(Request request) {
  auto exchange = std::make_unique<Exchange>(executor_, clock_);
  bool watch = request.watch;
  exchange->connection_ = shared_from_this();
  exchange->id_ = session_->Open(std::move(request), exchange.get());
  if (watch) {
    watches_[exchange->id_] = exchange.get();
    watch_opened_ = clock_.Mono();
  }
  idle_since_.reset();
  Write();
  return exchange;
}

void Connection::Forget(int64_t id) {
  watches_.erase(id);
  if (closed_) return;
  session_->Close(id);
  Write();
  Settle();
}

void Connection::Consumed(int64_t id, size_t n) {
  if (closed_) return;
  session_->Consumed(id, n);
  Write();
  Read();
}

void Connection::Retire(const absl::Status& reason) {
  if (closed_) return;
  session_->Drain();
  auto watches = std::exchange(watches_, {});
  for (auto& [id, exchange] : watches) {
    session_->Close(id);
    exchange->OnFailure({reason, true, false});
  }
  Write();
  Settle();
}

void Connection::Read() {
  if (reading_ || closed_ || !session_->WantsRead()) return;
  reading_ = true;
  auto done = [self = shared_from_this()](error_code ec, size_t n) {
    self->reading_ = false;
    if (self->closed_) return;
    if (ec) {
      self->Close(absl::UnavailableError(self->transport_->Explain(ec)));
      return;
    }
    self->last_read_ = self->clock_.Mono();
    if (self->pinged_) {
      self->pinged_.reset();
      self->clock_.Cancel(self->timer_);
      self->Arm(self->last_read_ + self->options_.ping_after);
    }
    if (auto owner = self->owner_.lock()) owner->OnBytes();
    auto received = self->session_->Receive(std::string_view(self->in_).substr(0, n));
    if (!received.ok()) {
      self->Close(received);
      return;
    }
    self->Write();
    self->Settle();
    self->Read();
  };
  WithStream([&](auto& stream) { stream.async_read_some(asio::buffer(in_), std::move(done)); });
}

void Connection::Write() {
  if (writing_ || closed_) return;
  out_ = session_->Send();
  if (out_.empty()) return;
  writing_ = true;
  auto done = [self = shared_from_this()](error_code ec, size_t) {
    self->writing_ = false;
    if (self->closed_) return;
    if (ec) {
      self->Close(absl::UnavailableError(self->transport_->Explain(ec)));
      return;
    }
    self->session_->Sent();
    self->Write();
    self->Settle();
  };
  WithStream([&](auto& stream) { asio::async_write(stream, asio::buffer(out_), std::move(done)); });
}

// After any change of the session: is it at its end, is it idle, has it room?
void Connection::Settle() {
  if (closed_) return;
  if (session_->open_streams() > 0) {
    idle_since_.reset();
  } else if (session_->draining() && !writing_) {
    Close(absl::UnavailableError("the connection is closed"));
    return;
  } else if (!idle_since_) {
    idle_since_ = clock_.Mono();
  }
  auto owner = owner_.lock();
  if (owner && session_->CanOpen()) owner->OnRoom();
}

void Connection::Arm(base::MonoTime when) {
  timer_ = clock_.Schedule(when, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->Tick();
  });
}

void Connection::Tick() {
  if (closed_) return;
  auto now = clock_.Mono();
  if (auto owner = owner_.lock()) owner->OnTick();
  if (closed_) return;
  if (pinged_ && now - *pinged_ >= options_.ping_timeout) {
    Close(SilenceError("the server did not answer a ping within " +
                       base::GoDuration(options_.ping_timeout)));
    return;
  }
  if (idle_since_ && now - *idle_since_ >= options_.idle_timeout) {
    Close(absl::UnavailableError("the connection was idle"));
    return;
  }
  if (pinged_) {
    Arm(*pinged_ + options_.ping_timeout);
  } else if (now - last_read_ < options_.ping_after) {
    Arm(last_read_ + options_.ping_after);
  } else if (pings_ = session_->Ping(); pings_) {
    pinged_ = now;
    Write();
    Arm(now + options_.ping_timeout);
  } else if (!watches_.empty() && Silence() >= options_.watch_silence) {
    Close(
        SilenceError("the watch brought nothing for " + base::GoDuration(options_.watch_silence)));
  } else {
    Arm(now + options_.ping_after);
    auto owner = owner_.lock();
    if (owner && !watches_.empty() && Silence() >= options_.ping_after) owner->OnSilence();
  }
}

base::Nanos Connection::Silence() const {
  return clock_.Mono() - std::max(last_read_, watch_opened_);
}

void Connection::CloseIfSilent(const absl::Status& reason) {
  if (!closed_ && !pings_ && !watches_.empty() && Silence() >= options_.ping_after) Close(reason);
}

void Connection::CloseIfStale(const absl::Status& reason) {
  if (closed_) return;
  auto overdue = std::min(kPingOverdue, options_.ping_timeout / 2);
  bool silent = pinged_ && clock_.Mono() - *pinged_ >= overdue;
  if (session_->open_streams() == 0 || silent) Close(reason);
}

void Connection::Close(const absl::Status& reason) {
  if (closed_) return;
  auto self = shared_from_this();
  closed_ = true;
  clock_.Cancel(timer_);
  watches_.clear();
  transport_->Close();
  session_->Fail(reason);
  if (auto owner = owner_.lock()) owner->OnClosed(*this);
}

}  // namespace kubelet::client
