#include "kubelet/base/metric_text.h"

#include <charconv>
#include <cmath>
#include <cstring>

namespace kubelet::base {
namespace {

void AppendHelp(const std::string& help, std::string& out) {
  for (char c : help) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
}

std::string Word(const std::string& text, size_t begin, size_t end) {
  while (begin < end && (text[begin] == ' ' || text[begin] == '\t')) ++begin;
  while (end > begin && (text[end - 1] == ' ' || text[end - 1] == '\t')) --end;
  return text.substr(begin, end - begin);
}

// Of `type/sub;a=b;q=0.5`: the type, and its weight.
std::string MediaType(const std::string& range, double& weight) {
  size_t mark = std::min(range.find(';'), range.size());
  weight = 1;
  size_t q = range.find("q=", mark);
  if (q != std::string::npos) {
    weight = 0;
    std::from_chars(range.data() + q + 2, range.data() + range.size(), weight);
  }
  return Word(range, 0, mark);
}

bool EndsWith(const std::string& text, const char* end) {
  size_t size = std::strlen(end);
  return text.size() >= size && text.compare(text.size() - size, size, end) == 0;
}

void EscapedHead(MetricForm form, const std::string& name, const std::string& help, const std::string& type,
                 std::string& out) {
  std::string family = name, shown = type;
  if (form == MetricForm::kOpenMetrics && type == "counter") {
    if (EndsWith(name, "_total")) {
      family.resize(family.size() - 6);
    } else {
      shown = "unknown";
    }
  }
  out += "# HELP " + family + ' ' + help + "\n# TYPE " + family + ' ' + shown + '\n';
}

// `le` is a label, so its text counts: 1 and 1.0 are two series.
void WriteBoundAsReal(const std::string& family, std::string& line) {
  constexpr char kBucket[] = "_bucket{";
  if (line.compare(0, family.size(), family) != 0 ||
      line.compare(family.size(), sizeof kBucket - 1, kBucket) != 0)
    return;
  size_t begin = line.rfind("le=\"");  // it is the last label
  if (begin == std::string::npos) return;
  begin += 4;
  size_t end = line.find('"', begin);
  if (end == std::string::npos || line.substr(begin, end - begin).find_first_of(".eIN") != std::string::npos) return;
  line.insert(end, ".0");
}

}  // namespace

MetricForm FormFor(const std::string& accept) {
  double open = 0, plain = 0;
  for (size_t begin = 0; begin < accept.size();) {
    size_t end = std::min(accept.find(',', begin), accept.size());
    double weight = 0;
    std::string type = MediaType(accept.substr(begin, end - begin), weight);
    if (type == "application/openmetrics-text") open = std::max(open, weight);
    if (type == "text/plain") plain = std::max(plain, weight);
    begin = end + 1;
  }
  return open > 0 && open >= plain ? MetricForm::kOpenMetrics : MetricForm::kPrometheus;
}

const char* ContentType(MetricForm form) {
  return form == MetricForm::kOpenMetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                          : "text/plain; version=0.0.4; charset=utf-8";
}

void AppendHead(MetricForm form, const std::string& name, const std::string& help, const std::string& type,
                std::string& out) {
  std::string escaped;
  AppendHelp(help, escaped);
  EscapedHead(form, name, escaped, type, out);
}

void AppendView(const std::string& prometheus, const MetricView& view, std::string& out) {
  std::string name, help;
  bool shown = true;
  for (size_t begin = 0; begin < prometheus.size();) {
    size_t end = std::min(prometheus.find('\n', begin), prometheus.size());
    std::string line = prometheus.substr(begin, end - begin);
    begin = end + 1;
    if (line.rfind("# HELP ", 0) == 0) {
      name = line.substr(7, line.find(' ', 7) - 7);
      help = line.substr(std::min(line.size(), 8 + name.size()));
      shown = !view.shown || view.shown(name);
    } else if (!shown) {
      continue;
    } else if (line.rfind("# TYPE ", 0) == 0) {
      std::string type = line.substr(line.rfind(' ') + 1);
      EscapedHead(view.form, name, (view.stability ? view.stability(name) : "") + help, type, out);
    } else {
      if (view.form == MetricForm::kOpenMetrics) WriteBoundAsReal(name, line);
      out += line + '\n';
    }
  }
}

void AppendEnd(MetricForm form, std::string& out) {
  if (form == MetricForm::kOpenMetrics) out += "# EOF\n";
}

void AppendLabelValue(const std::string& value, std::string& out) {
  if (value.find_first_of("\\\n\"") == std::string::npos) {
    out += value;
    return;
  }
  for (char c : value) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"') {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

void AppendWhole(uint64_t value, std::string& out) {
  char buffer[24];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  out.append(buffer, static_cast<size_t>(end - buffer));
}

void AppendNumber(double value, std::string& out) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    char buffer[40];
    bool whole = value == std::floor(value) && std::fabs(value) < 9007199254740992.0;
    auto [end, error] = whole ? std::to_chars(buffer, buffer + sizeof buffer, static_cast<int64_t>(value))
                              : std::to_chars(buffer, buffer + sizeof buffer, value);
    out.append(buffer, static_cast<size_t>(end - buffer));
  }
}

void AppendSeconds(uint64_t nanos, std::string& out) {
  constexpr uint64_t kSecond = 1'000'000'000;
  AppendWhole(nanos / kSecond, out);
  uint64_t rest = nanos % kSecond;
  if (rest == 0) return;
  char digits[10];
  digits[0] = '.';
  for (int i = 9; i > 0; --i, rest /= 10) digits[i] = static_cast<char>('0' + rest % 10);
  size_t size = 10;
  while (digits[size - 1] == '0') --size;
  out.append(digits, size);
}

void AppendTimestamp(MetricForm form, int64_t millis, std::string& out) {
  out += ' ';
  if (form == MetricForm::kPrometheus) return AppendWhole(static_cast<uint64_t>(millis), out);
  AppendWhole(static_cast<uint64_t>(millis / 1000), out);
  std::string rest = std::to_string(millis % 1000);
  out += '.' + std::string(3 - rest.size(), '0') + rest;
}

}  // namespace kubelet::base
