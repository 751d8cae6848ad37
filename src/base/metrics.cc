#include "kubelet/base/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace kubelet::base {
namespace {

void AtomicAdd(std::atomic<double>& target, double v) {
  double old = target.load(std::memory_order_relaxed);
  while (!target.compare_exchange_weak(old, old + v, std::memory_order_relaxed)) {
  }
}

std::string Number(double v) {
  if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
  if (std::isnan(v)) return "NaN";
  char buffer[40];
  if (v == std::floor(v) && std::fabs(v) < 1e15) {
    std::snprintf(buffer, sizeof buffer, "%.0f", v);
    return buffer;
  }
  for (int precision = 6; precision <= 17; ++precision) {
    std::snprintf(buffer, sizeof buffer, "%.*g", precision, v);
    if (std::strtod(buffer, nullptr) == v) break;
  }
  return buffer;
}

void Escape(const std::string& text, bool quotes, std::string& out) {
  for (char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

// `a="x",b="y"` without braces.
std::string Labels(const std::vector<std::string>& names, const LabelValues& values) {
  std::string out;
  for (size_t i = 0; i < names.size() && i < values.size(); ++i) {
    if (i > 0) out += ',';
    out += names[i] + "=\"";
    Escape(values[i], true, out);
    out += '"';
  }
  return out;
}

void Line(const std::string& name, const std::string& labels, double value, std::string& out) {
  out += name;
  if (!labels.empty()) out += '{' + labels + '}';
  out += ' ' + Number(value) + '\n';
}

void Head(const std::string& name, const std::string& help, const std::string& type, std::string& out) {
  out += "# HELP " + name + ' ';
  Escape(help, false, out);
  out += "\n# TYPE " + name + ' ' + type + '\n';
}

struct Function : Registry::AnyFamily {
  Function(std::string n, std::string h, std::string t, std::function<double()> r)
      : name(std::move(n)), help(std::move(h)), type(std::move(t)), read(std::move(r)) {}
  void Render(std::string& out) const override {
    Head(name, help, type, out);
    Line(name, "", read(), out);
  }
  std::string name, help, type;
  std::function<double()> read;
};

}  // namespace

void Counter::Add(double v) { AtomicAdd(value_, v); }

Histogram::Histogram(const std::vector<double>* bounds)
    : bounds_(bounds), counts_(new std::atomic<uint64_t>[bounds->size() + 1]()) {}

void Histogram::Observe(double v) {
  size_t bucket = std::lower_bound(bounds_->begin(), bounds_->end(), v) - bounds_->begin();
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  AtomicAdd(sum_, v);
}

void Histogram::Render(const std::string& name, const std::string& labels, std::string& out) const {
  uint64_t total = 0;
  std::string comma = labels.empty() ? "" : labels + ",";
  for (size_t i = 0; i <= bounds_->size(); ++i) {
    total += counts_[i].load(std::memory_order_relaxed);
    std::string bound = i < bounds_->size() ? Number((*bounds_)[i]) : "+Inf";
    Line(name + "_bucket", comma + "le=\"" + bound + "\"", static_cast<double>(total), out);
  }
  Line(name + "_sum", labels, sum_.load(std::memory_order_relaxed), out);
  Line(name + "_count", labels, static_cast<double>(total), out);
}

template <typename Series>
Family<Series>::Family(std::string name, std::string help, std::string type, std::vector<std::string> labels,
                       std::vector<double> bounds)
    : name_(std::move(name)),
      help_(std::move(help)),
      type_(std::move(type)),
      labels_(std::move(labels)),
      bounds_(std::move(bounds)) {}

template <typename Series>
Series& Family<Series>::With(const LabelValues& values) {
  std::lock_guard lock(mutex_);
  auto& series = series_[values];
  if (!series) {
    if constexpr (std::is_same_v<Series, Histogram>) {
      series = std::make_unique<Series>(&bounds_);
    } else {
      series = std::make_unique<Series>();
    }
  }
  return *series;
}

template <typename Series>
void Family<Series>::Remove(const LabelValues& values) {
  std::lock_guard lock(mutex_);
  series_.erase(values);
}

template <typename Series>
void Family<Series>::Render(std::string& out) const {
  std::lock_guard lock(mutex_);
  if (series_.empty()) return;
  Head(name_, help_, type_, out);
  for (const auto& [values, series] : series_) {
    std::string labels = Labels(labels_, values);
    if constexpr (std::is_same_v<Series, Histogram>) {
      series->Render(name_, labels, out);
    } else {
      Line(name_, labels, series->value(), out);
    }
  }
}

template class Family<Counter>;
template class Family<Gauge>;
template class Family<Histogram>;

Registry::Registry() = default;
Registry::~Registry() = default;

namespace {
template <typename F>
F& Insert(std::map<std::string, std::unique_ptr<Registry::AnyFamily>>& families, const std::string& name,
          std::unique_ptr<F> family) {
  // A second client of the same registry counts into the series of the first.
  if constexpr (!std::is_same_v<F, Function>) {
    auto it = families.find(name);
    auto* same = it == families.end() ? nullptr : dynamic_cast<F*>(it->second.get());
    if (same != nullptr) return *same;
  }
  F& result = *family;
  families[name] = std::move(family);
  return result;
}
}  // namespace

Family<Counter>& Registry::AddCounter(std::string name, std::string help, std::vector<std::string> labels) {
  std::lock_guard lock(mutex_);
  return Insert(families_, name, std::make_unique<Family<Counter>>(name, help, "counter", std::move(labels)));
}
Family<Gauge>& Registry::AddGauge(std::string name, std::string help, std::vector<std::string> labels) {
  std::lock_guard lock(mutex_);
  return Insert(families_, name, std::make_unique<Family<Gauge>>(name, help, "gauge", std::move(labels)));
}
Family<Histogram>& Registry::AddHistogram(std::string name, std::string help, std::vector<double> bounds,
                                          std::vector<std::string> labels) {
  std::lock_guard lock(mutex_);
  return Insert(families_, name,
                std::make_unique<Family<Histogram>>(name, help, "histogram", std::move(labels), std::move(bounds)));
}
void Registry::AddGaugeFunction(std::string name, std::string help, std::function<double()> read) {
  std::lock_guard lock(mutex_);
  Insert(families_, name, std::make_unique<Function>(name, help, "gauge", std::move(read)));
}
void Registry::AddCounterFunction(std::string name, std::string help, std::function<double()> read) {
  std::lock_guard lock(mutex_);
  Insert(families_, name, std::make_unique<Function>(name, help, "counter", std::move(read)));
}

std::string Registry::Render() const {
  std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) family->Render(out);
  return out;
}

std::vector<double> DefaultBuckets() { return {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}; }

std::vector<double> ExponentialBuckets(double start, double factor, int count) {
  std::vector<double> bounds;
  for (int i = 0; i < count; ++i, start *= factor) bounds.push_back(start);
  return bounds;
}

}  // namespace kubelet::base
