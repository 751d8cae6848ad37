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
  void Whole(const Group& group, uint64_t value, base::WallTime at, const Between& more = {}) {
    Series(group, more);
    base::AppendWhole(value, out_);
    End(at);
  }
  void Seconds(const Group& group, uint64_t nanos, base::WallTime at, const Between& more = {}) {
    Series(group, more);
    base::AppendSeconds(nanos, out_);
    End(at);
  }
  void Real(const Group& group, double value, base::WallTime at, const Between& more = {}) {
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
  void Series(const Group& group, const Between& more) {
    Head();
    out_ += name_;
    out_ += '{';
    out_ += group.labels.container;
    out_ += more.after_container;
    out_ += group.labels.id;
    out_ += more.after_image;
    out_ += group.labels.name;
    out_ += more.after_namespace;
    out_ += group.labels.pod;
    out_ += more.last;
    out_ += "} ";
  }
  void End(base::WallTime at) {
    if (at != base::WallTime()) {
      if (at != stamped_) {
        stamped_ = at;
        stamp_.clear();
        base::AppendTimestamp(form_, base::UnixNanos(at) / 1'000'000, stamp_);
      }
      out_ += stamp_;
    }
    out_ += '\n';
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
