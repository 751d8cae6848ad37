// The two text forms that metrics are shown in: Prometheus' 0.0.4 and OpenMetrics 1.0. Building blocks for whoever
// writes a family of series; pure.
//
// What OpenMetrics wants otherwise: a counter's family is called without `_total` (one whose series do not end so is
// of type unknown, as Prometheus' own libraries do), bounds of buckets are written as reals (`1.0`), time stamps are
// seconds, and the text ends with `# EOF`. Lines `_created` are optional there and left out: a scraper would store
// each as a series of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace kubelet::base {

enum class MetricForm { kPrometheus, kOpenMetrics };

// What an Accept header asks for, by its weights; Prometheus' form when it does not ask for OpenMetrics.
MetricForm FormFor(const std::string& accept);
const char* ContentType(MetricForm form);

// `type` is counter, gauge or histogram. `name` is that of the series of a counter.
void AppendHead(MetricForm form, const std::string& name, const std::string& help, const std::string& type,
                std::string& out);
// What follows the last family.
void AppendEnd(MetricForm form, std::string& out);

// What Registry::Render says, in other words: some of the families, in either form. Without an end.
struct MetricView {
  MetricForm form = MetricForm::kPrometheus;
  std::function<bool(const std::string& name)> shown;            // empty: all
  std::function<std::string(const std::string& name)> stability;  // what a help text begins with; empty: nothing
};
void AppendView(const std::string& prometheus, const MetricView& view, std::string& out);

// A label value, without its quotes; backslash, quote and line end are escaped.
void AppendLabelValue(const std::string& value, std::string& out);
// Shortest text that reads back as the same number; whole numbers without exponent up to 2^53.
void AppendNumber(double value, std::string& out);
void AppendWhole(uint64_t value, std::string& out);
// Nanoseconds as seconds, exactly: 1500000000 -> 1.5.
void AppendSeconds(uint64_t nanos, std::string& out);
// ` 1700000000000`, or ` 1700000000.000` in OpenMetrics.
void AppendTimestamp(MetricForm form, int64_t millis, std::string& out);

}  // namespace kubelet::base
