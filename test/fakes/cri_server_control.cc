#include "fakes/cri_server_control.h"

namespace kubelet::fakes {

class Control::GateState : public Gate {
 public:
  GateState(std::string method, std::string subject)
      : method_(std::move(method)), subject_(std::move(subject)) {}
  ~GateState() override { Open(); }

  size_t waiting() const override {
    std::lock_guard lock(mutex_);
    size_t count = 0;
    for (const auto& entry : held_) count += entry.alive() ? 1 : 0;
    return count;
  }
  void Open() override {
    std::list<Entry> held;
    {
      std::lock_guard lock(mutex_);
      open_ = true;
      held.swap(held_);
    }
    for (auto& entry : held) entry.proceed();
  }
  bool Hold(const std::string& method, const Subject& subject, const std::function<void()>& proceed,
            const std::function<bool()>& alive) {
    std::lock_guard lock(mutex_);
    if (open_ || (!method_.empty() && method_ != method) || !subject.Matches(subject_))
      return false;
    held_.push_back({proceed, alive});
    return true;
  }

 private:
  struct Entry {
    std::function<void()> proceed;
    std::function<bool()> alive;
  };
  const std::string method_, subject_;
  mutable std::mutex mutex_;
  bool open_ = false;
  std::list<Entry> held_;
};

size_t Control::Began(const std::string& method, const Subject& subject,
                      std::optional<Nanos> timeout, std::string request) {
  std::lock_guard lock(mutex_);
  FakeCall call;
  call.method = method;
  call.pod = subject.pod;
  call.container = subject.container;
  call.id = subject.id;
  call.timeout = timeout;
  calls_.push_back(std::move(call));
  requests_[method] = std::move(request);
  // A scale run makes millions of calls: the log keeps the latest.
  constexpr size_t kMaxCalls = 100'000;
  if (calls_.size() > kMaxCalls) {
    calls_.pop_front();
    ++first_index_;
  }
  return first_index_ + calls_.size() - 1;
}

void Control::Finished(size_t index, int code) {
  std::lock_guard lock(mutex_);
  if (index < first_index_ || index - first_index_ >= calls_.size()) return;
  auto& call = calls_[index - first_index_];
  call.finished = true;
  call.code = code;
}

std::vector<FakeCall> Control::calls() const {
  std::lock_guard lock(mutex_);
  return {calls_.begin(), calls_.end()};
}

void Control::ClearCalls() {
  std::lock_guard lock(mutex_);
  first_index_ += calls_.size();
  calls_.clear();
  requests_.clear();
}

std::string Control::LastRequest(const std::string& method) const {
  std::lock_guard lock(mutex_);
  auto it = requests_.find(method);
  return it == requests_.end() ? "" : it->second;
}

std::optional<Fault> Control::TakeFault(const std::string& method, const Subject& subject) {
  std::lock_guard lock(mutex_);
  for (auto it = faults_.begin(); it != faults_.end(); ++it) {
    if ((!it->method.empty() && it->method != method) || !subject.Matches(it->subject)) continue;
    Fault fault = *it;
    if (--it->times <= 0) faults_.erase(it);
    return fault;
  }
  return std::nullopt;
}

void Control::Inject(Fault fault) {
  std::lock_guard lock(mutex_);
  faults_.push_back(std::move(fault));
}

void Control::ClearFaults() {
  std::lock_guard lock(mutex_);
  faults_.clear();
}

Nanos Control::Delay(const std::string& method) const {
  std::lock_guard lock(mutex_);
  auto it = delays_.find(method);
  return it == delays_.end() ? Nanos(0) : it->second;
}

void Control::SetDelay(const std::string& method, Nanos delay) {
  std::lock_guard lock(mutex_);
  delays_[method] = delay;
}

std::shared_ptr<Gate> Control::Block(const std::string& method, const std::string& subject) {
  auto gate = std::make_shared<GateState>(method, subject);
  std::lock_guard lock(mutex_);
  gates_.push_back(gate);
  return gate;
}

bool Control::Held(const std::string& method, const Subject& subject, std::function<void()> proceed,
                   std::function<bool()> alive) {
  std::list<std::shared_ptr<GateState>> gates;
  {
    std::lock_guard lock(mutex_);
    for (auto it = gates_.begin(); it != gates_.end();) {
      if (auto gate = it->lock()) {
        gates.push_back(gate);
        ++it;
      } else {
        it = gates_.erase(it);
      }
    }
  }
  for (const auto& gate : gates) {
    if (gate->Hold(method, subject, proceed, alive)) return true;
  }
  return false;
}

}  // namespace kubelet::fakes
