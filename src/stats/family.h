// Writes the series of one family after the other, for many groups. Internal to the room.
#pragma once

#include <string>
#include <string_view>

#include "kubelet/base/metric_text.h"
#include "stats/collector.h"

namespace kubelet::stats {

// Labels of a series beside those of its group, by the place that their names give them: each ends
// with a comma, but `last`, which begins with one.
struct Between {
  std::string_view after_container, after_image, after_namespace, last;

  bool Nothing() const {
    return after_container.empty() && after_image.empty() && after_namespace.empty() &&
           last.empty();
  }
};

class FamilyWriter {
 public:
  FamilyWriter(base::MetricForm form, std::string& out) : form_(form), out_(out) {}

  // The head is written with the first series.
  void Begin(const char* name, const char* help, const char* type) {
    name_ = name;
    help_ = help;
    type_ = type;
    headed_ = false;
  }
  // `at`: the sample's time; the epoch: the series has none.
  void Whole(const Sample& group, uint64_t value, base::WallTime at, const Between& more = {}) {
    Series(group, more);
    base::AppendWhole(value, out_);
    End(at);
  }
  void Seconds(const Sample& group, uint64_t nanos, base::WallTime at, const Between& more = {}) {
    Series(group, more);
    base::AppendSeconds(nanos, out_);
    End(at);
  }
  void Real(const Sample& group, double value, base::WallTime at, const Between& more = {}) {
    Series(group, more);
    base::AppendNumber(value, out_);
    End(at);
  }
  // With these labels, which may be empty.
  void Plain(const std::string& labels, double value, base::WallTime at = {}) {
    Start(labels);
    base::AppendNumber(value, out_);
    End(at);
  }
  void PlainSeconds(const std::string& labels, uint64_t nanos, base::WallTime at) {
    Start(labels);
    base::AppendSeconds(nanos, out_);
    End(at);
  }

 private:
  void Head() {
    if (!headed_) base::AppendHead(form_, name_, help_, type_, out_);
    headed_ = true;
  }
  void Start(const std::string& labels) {
    Head();
    out_ += name_;
    if (!labels.empty()) {
      out_ += '{';
      out_ += labels;
      out_ += '}';
    }
    out_ += ' ';
  }
  void Series(const Sample& group, const Between& more) {
    Head();
    out_ += name_;
    const auto& labels = *group.labels;
    std::string_view text = labels.text;
    if (more.Nothing()) {
      out_ += text;
      return;
    }
    size_t begin = 0;
    auto until = [&](size_t end, std::string_view then) {
      out_ += text.substr(begin, end - begin);
      out_ += then;
      begin = end;
    };
    until(labels.after_container, more.after_container);
    until(labels.after_image, more.after_image);
    until(labels.after_namespace, more.after_namespace);
    until(labels.end, more.last);
    out_ += text.substr(begin);
  }
  void End(base::WallTime at) {
    if (at == base::WallTime()) {
      out_ += '\n';
      return;
    }
    if (at != stamped_) {
      stamped_ = at;
      stamp_.clear();
      base::AppendTimestamp(form_, base::UnixNanos(at) / 1'000'000, stamp_);
      stamp_ += '\n';
    }
    out_ += stamp_;
  }

  base::MetricForm form_;
  std::string& out_;
  std::string name_, stamp_;
  const char* help_ = "";
  const char* type_ = "";
  bool headed_ = false;
  base::WallTime stamped_;
};

}  // namespace kubelet::stats
