// One thread that calls functions later.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace kubelet::fakes {

class Timers {
 public:
  Timers() : thread_([this] { Run(); }) {}
  // Forgets what has not been called.
  ~Timers() { Stop(); }

  void After(std::chrono::nanoseconds delay, std::function<void()> callback) {
    std::lock_guard lock(mutex_);
    queue_.emplace(std::chrono::steady_clock::now() + delay, std::move(callback));
    wake_.notify_one();
  }
  void Stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      wake_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (queue_.empty()) {
        wake_.wait(lock);
        continue;
      }
      auto first = queue_.begin();
      if (first->first > std::chrono::steady_clock::now()) {
        wake_.wait_until(lock, first->first);
        continue;
      }
      auto callback = std::move(first->second);
      queue_.erase(first);
      lock.unlock();
      callback();
      callback = nullptr;
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::multimap<std::chrono::steady_clock::time_point, std::function<void()>> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kubelet::fakes
