// The text of /metrics/cadvisor, and of /metrics/resource. Pure: samples in, text out. Internal to
// the room.
#pragma once

#include <string>

#include "kubelet/base/metric_text.h"
#include "kubelet/base/text_pieces.h"
#include "stats/collector.h"
#include "stats/machine.h"

namespace kubelet::stats {

// Of the samples that `collector` shows now, whatever becomes of it.
base::TextPieces CadvisorText(const Collector& collector, const MachineFacts& machine,
                              base::MetricForm form, base::WallTime now);
std::string ResourceText(const Collector& collector, base::MetricForm form);

}  // namespace kubelet::stats
