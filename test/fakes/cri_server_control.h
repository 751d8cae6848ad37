// What a test does to the calls of a FakeCriServer: the log, gates and scripted faults. Thread
// safe.
#pragma once

#include <deque>
#include <list>
#include <mutex>
#include <optional>

#include "fakes/cri_server.h"

namespace kubelet::fakes {

// Who a call is about.
struct Subject {
  std::string pod, container, id;
  bool Matches(const std::string& name) const {
    return name.empty() || name == pod || name == container;
  }
};

class Control {
 public:
  // Records a call; the index names it for Finished.
  size_t Began(const std::string& method, const Subject& subject, std::optional<Nanos> timeout,
               std::string request);
  void Finished(size_t index, int code);

  std::vector<FakeCall> calls() const;
  void ClearCalls();
  std::string LastRequest(const std::string& method) const;

  // A fault for this call, used up by it.
  std::optional<Fault> TakeFault(const std::string& method, const Subject& subject);
  void Inject(Fault fault);
  void ClearFaults();
  Nanos Delay(const std::string& method) const;
  void SetDelay(const std::string& method, Nanos delay);

  std::shared_ptr<Gate> Block(const std::string& method, const std::string& subject);
  // Keeps `proceed` when a closed gate stands in the way (true), else leaves it alone. `alive`
  // tells whether the caller still waits.
  bool Held(const std::string& method, const Subject& subject, std::function<void()> proceed,
            std::function<bool()> alive);

 private:
  class GateState;
  mutable std::mutex mutex_;
  std::deque<FakeCall> calls_;
  size_t first_index_ = 0;  // of calls_.front(), since the last ClearCalls
  std::map<std::string, std::string> requests_;
  std::list<Fault> faults_;
  std::map<std::string, Nanos> delays_;
  std::list<std::weak_ptr<GateState>> gates_;
};

}  // namespace kubelet::fakes
