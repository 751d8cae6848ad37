// Answers of the API server by what was asked, for a while each; one question at a time per key.
// Core loop only.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/promise.h"

namespace kubelet::auth {

template <typename Value>
class ReviewCache {
 public:
  using Answer = absl::StatusOr<Value>;
  // `ttl` of an answer; zero: it is not kept. At most `limit` good and a quarter as many bad
  // answers are kept, so that garbage does not push out what is used.
  ReviewCache(base::Executor executor, base::Clock& clock, size_t limit,
              std::function<base::Nanos(const Value&)> ttl, std::function<bool(const Value&)> good)
      : executor_(std::move(executor)),
        clock_(clock),
        limit_(limit),
        ttl_(std::move(ttl)),
        good_(std::move(good)) {}

  // The kept answer, or that of `ask`. Errors are not kept.
  base::Task<Answer> Get(std::string key, std::function<base::Task<Answer>()> ask) {
    if (const Value* known = Find(key)) co_return *known;
    auto flight = flights_.find(key);
    if (flight != flights_.end()) {
      base::Promise<Answer> promise(executor_);
      flight->second.push_back(promise);
      auto shared = co_await promise.Get();
      co_return shared;
    }
    flights_[key];
    Landing landing(this, key);
    Answer answer = co_await ask();
    if (answer.ok()) Keep(key, *answer);
    landing.Land(answer);
    co_return answer;
  }

  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Value value;
    base::MonoTime until;
    bool good;
    std::list<std::string>::iterator used;
  };
  // Tells those that wait for the same answer, also when the task that asks is cancelled.
  class Landing {
   public:
    Landing(ReviewCache* cache, std::string key) : cache_(cache), key_(std::move(key)) {}
    ~Landing() { Land(absl::UnavailableError("the question was given up")); }
    void Land(const Answer& answer) {
      if (cache_ == nullptr) return;
      auto waiters = std::move(cache_->flights_[key_]);
      cache_->flights_.erase(key_);
      cache_ = nullptr;
      for (const auto& waiter : waiters) waiter.Set(answer);
    }

   private:
    ReviewCache* cache_;
    std::string key_;
  };

  const Value* Find(const std::string& key) {
    auto it = entries_.find(key);
    if (it == entries_.end()) return nullptr;
    if (it->second.until <= clock_.Mono()) {
      Drop(it);
      return nullptr;
    }
    auto& order = used_[it->second.good];
    order.splice(order.begin(), order, it->second.used);
    return &it->second.value;
  }
  void Keep(const std::string& key, const Value& value) {
    auto ttl = ttl_(value);
    if (ttl <= base::Nanos(0)) return;
    if (auto it = entries_.find(key); it != entries_.end()) Drop(it);
    bool good = good_(value);
    auto& order = used_[good];
    order.push_front(key);
    entries_.emplace(key, Entry{value, clock_.Mono() + ttl, good, order.begin()});
    if (order.size() > (good ? limit_ : limit_ / 4)) Drop(entries_.find(order.back()));
  }
  void Drop(typename std::map<std::string, Entry>::iterator it) {
    used_[it->second.good].erase(it->second.used);
    entries_.erase(it);
  }

  base::Executor executor_;
  base::Clock& clock_;
  size_t limit_;
  std::function<base::Nanos(const Value&)> ttl_;
  std::function<bool(const Value&)> good_;
  std::map<std::string, Entry> entries_;
  std::list<std::string> used_[2];  // newest first; [1] the good ones
  std::map<std::string, std::vector<base::Promise<Answer>>> flights_;
};

}  // namespace kubelet::auth
