// One series out of a registry, as it is served.
#pragma once

#include <string>

#include "kubelet/base/metrics.h"

namespace kubelet::test {

// The text behind `series`, such as `x_total{kind="a"}`; `absent` when there is none.
inline std::string MetricValue(const base::Registry& metrics, const std::string& series) {
  std::string all = "\n" + metrics.Render();
  size_t at = all.find("\n" + series + " ");
  if (at == std::string::npos) return "absent";
  at += series.size() + 2;
  return all.substr(at, all.find('\n', at) - at);
}

}  // namespace kubelet::test
