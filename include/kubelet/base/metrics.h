// Counters, gauges and histograms with labels, and their Prometheus text form (version 0.0.4).
// Updates are lock-free once a series exists; creating or removing a series and rendering take a mutex.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace kubelet::base {

using LabelValues = std::vector<std::string>;

class Counter {
 public:
  void Add(double v = 1);
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class Gauge {
 public:
  void Set(double v) { value_.store(v, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class Histogram {
 public:
  explicit Histogram(const std::vector<double>* bounds);
  void Observe(double v);
  void Render(const std::string& name, const std::string& labels, std::string& out) const;

 private:
  const std::vector<double>* bounds_;
  std::unique_ptr<std::atomic<uint64_t>[]> counts_;
  std::atomic<double> sum_{0};
};

// One metric name with its series. `With` returns a series that stays valid until `Remove` of its labels.
template <typename Series>
class Family;

class Registry {
 public:
  Registry();
  ~Registry();
  Family<Counter>& AddCounter(std::string name, std::string help, std::vector<std::string> labels = {});
  Family<Gauge>& AddGauge(std::string name, std::string help, std::vector<std::string> labels = {});
  Family<Histogram>& AddHistogram(std::string name, std::string help, std::vector<double> bounds,
                                  std::vector<std::string> labels = {});
  // Computed when scraped, on the scraping thread: `read` must be thread safe.
  void AddGaugeFunction(std::string name, std::string help, std::function<double()> read);
  void AddCounterFunction(std::string name, std::string help, std::function<double()> read);
  // All families in the order of their names.
  std::string Render() const;

  struct AnyFamily {
    virtual ~AnyFamily() = default;
    virtual void Render(std::string& out) const = 0;
  };

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<AnyFamily>> families_;
};

template <typename Series>
class Family : public Registry::AnyFamily {
 public:
  Family(std::string name, std::string help, std::string type, std::vector<std::string> labels,
         std::vector<double> bounds = {});
  // The series of these label values, in the order of the label names; created on first use.
  Series& With(const LabelValues& values);
  Series& Only() { return With({}); }
  void Remove(const LabelValues& values);
  void Render(std::string& out) const override;

 private:
  std::string name_, help_, type_;
  std::vector<std::string> labels_;
  std::vector<double> bounds_;
  mutable std::mutex mutex_;
  std::map<LabelValues, std::unique_ptr<Series>> series_;
};

// Upstream's default buckets (0.005 .. 10 s).
std::vector<double> DefaultBuckets();
// `count` bounds from `start`, each `factor` times the one before.
std::vector<double> ExponentialBuckets(double start, double factor, int count);

}  // namespace kubelet::base
