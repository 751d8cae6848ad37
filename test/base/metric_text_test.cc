#include "kubelet/base/metric_text.h"

#include <limits>

#include "catch.h"
#include "kubelet/base/gauge_set.h"
#include "kubelet/base/metrics.h"

namespace kubelet::base {
namespace {

template <typename F>
std::string Made(F make) {
  std::string out;
  make(out);
  return out;
}

TEST_CASE("numbers of metrics") {
  auto number = [](double v) { return Made([v](std::string& out) { AppendNumber(v, out); }); };
  CHECK(number(0) == "0");
  CHECK(number(-1) == "-1");
  CHECK(number(4294967296.0) == "4294967296");
  CHECK(number(0.1) == "0.1");
  CHECK(number(3.1) == "3.1");
  CHECK(number(18446744073709551615.0) == "18446744073709551616");
  CHECK(number(std::numeric_limits<double>::infinity()) == "+Inf");
  CHECK(number(-std::numeric_limits<double>::infinity()) == "-Inf");
  CHECK(number(std::numeric_limits<double>::quiet_NaN()) == "NaN");
  auto seconds = [](uint64_t v) { return Made([v](std::string& out) { AppendSeconds(v, out); }); };
  CHECK(seconds(0) == "0");
  CHECK(seconds(1'500'000'000) == "1.5");
  CHECK(seconds(7) == "0.000000007");
  CHECK(seconds(12'000'000'000) == "12");
  CHECK(seconds(1'023'000'000) == "1.023");
}

TEST_CASE("time stamps: milliseconds, or seconds in OpenMetrics") {
  auto stamp = [](MetricForm form) {
    return Made([form](std::string& out) { AppendTimestamp(form, 1'700'000'000'007, out); });
  };
  CHECK(stamp(MetricForm::kPrometheus) == " 1700000000007");
  CHECK(stamp(MetricForm::kOpenMetrics) == " 1700000000.007");
}

TEST_CASE("which form a scraper is given") {
  CHECK(FormFor("") == MetricForm::kPrometheus);
  CHECK(FormFor("*/*") == MetricForm::kPrometheus);
  CHECK(FormFor("text/plain") == MetricForm::kPrometheus);
  CHECK(FormFor("application/openmetrics-text") == MetricForm::kOpenMetrics);
  // Prometheus 2.53 and 3.
  CHECK(FormFor("application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
                "text/plain;version=0.0.4;q=0.3,*/*;q=0.2") == MetricForm::kOpenMetrics);
  CHECK(FormFor("text/plain;version=0.0.4;q=0.9, application/openmetrics-text; q=0.1") == MetricForm::kPrometheus);
  CHECK(FormFor("application/openmetrics-text;q=0") == MetricForm::kPrometheus);
  CHECK(FormFor(",,;q=,") == MetricForm::kPrometheus);
}

TEST_CASE("OpenMetrics calls counters without _total, bounds are reals, and it has an end") {
  Registry registry;
  registry.AddCounter("runs_total", "Runs.").Only().Add(2);
  registry.AddCounter("failures", "Failed.").Only().Add(1);
  registry.AddHistogram("took_seconds", "Took.", {0.1, 1}).Only().Observe(0.5);
  std::string text;
  MetricView view{MetricForm::kOpenMetrics};
  AppendView(registry.Render(), view, text);
  AppendEnd(view.form, text);
  CHECK(text ==
        "# HELP failures Failed.\n# TYPE failures unknown\nfailures 1\n"
        "# HELP runs Runs.\n# TYPE runs counter\nruns_total 2\n"
        "# HELP took_seconds Took.\n# TYPE took_seconds histogram\n"
        "took_seconds_bucket{le=\"0.1\"} 0\ntook_seconds_bucket{le=\"1.0\"} 1\n"
        "took_seconds_bucket{le=\"+Inf\"} 1\ntook_seconds_sum 0.5\ntook_seconds_count 1\n# EOF\n");
}

TEST_CASE("a view shows some families, with what their help begins with") {
  Registry registry;
  registry.AddGauge("one", "First.").Only().Set(1);
  registry.AddGauge("two", "Second\nline.", {"x"}).With({"a"}).Set(2);
  std::string text;
  MetricView view;
  view.shown = [](const std::string& name) { return name == "two"; };
  view.stability = [](const std::string& name) { return "[" + name + "] "; };
  AppendView(registry.Render(), view, text);
  CHECK(text == "# HELP two [two] Second\\nline.\n# TYPE two gauge\ntwo{x=\"a\"} 2\n");
  text.clear();
  AppendView(registry.Render(), MetricView(), text);
  CHECK(text == registry.Render());
  AppendView("", view, text);
}

TEST_CASE("gauges that are not filled any more go") {
  Registry registry;
  GaugeSet set(registry.AddGauge("pods", "Pods.", {"name"}));
  auto fill = [&](std::vector<std::string> names) {
    set.Begin();
    for (const auto& name : names) set.Set({name}, 1);
    set.End();
    return registry.Render();
  };
  CHECK(fill({"a", "b"}).find("pods{name=\"b\"} 1") != std::string::npos);
  std::string text = fill({"a"});
  CHECK(text.find("\"a\"") != std::string::npos);
  CHECK(text.find("\"b\"") == std::string::npos);
  CHECK(fill({}).empty());
}

}  // namespace
}  // namespace kubelet::base
