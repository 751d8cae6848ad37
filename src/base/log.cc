#include "kubelet/base/log.h"

#include "kubelet/base/log_level.h"

#include <fnmatch.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <mutex>

namespace kubelet::base {
namespace {

struct Settings {
  LogOptions options;
  std::vector<std::pair<std::string, int>> modules;
};
std::mutex settings_mutex;
std::shared_ptr<const Settings> settings = std::make_shared<Settings>();
std::atomic<int> highest_verbosity{0};
std::atomic<int> log_fd{STDERR_FILENO};
std::atomic<uint64_t> errors{0};

std::shared_ptr<const Settings> Current() {
  std::lock_guard lock(settings_mutex);
  return settings;
}

const char* BaseName(const char* file) {
  const char* slash = std::strrchr(file, '/');
  return slash ? slash + 1 : file;
}

// Quotes and escapes as Go's strconv.Quote for the common cases.
void Quote(const std::string& text, std::string& out) {
  out += '"';
  for (unsigned char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\t': out += "\\t"; break;
      case '\r': out += "\\r"; break;
      default:
        if (c < 0x20 || c == 0x7f) {
          char buffer[8];
          std::snprintf(buffer, sizeof buffer, "\\u%04x", c);
          out += buffer;
        } else {
          out += static_cast<char>(c);
        }
    }
  }
  out += '"';
}

// A number as JSON writes it, too: not 007.
bool PlainNumber(const std::string& text) {
  if (text.empty() || text.size() > 18) return false;
  size_t i = text[0] == '-' ? 1 : 0;
  if (i == text.size() || (text[i] == '0' && text.size() > i + 1)) return false;
  for (; i < text.size(); ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
  }
  return true;
}

std::string TextRecord(Severity severity, const timeval& now, const char* file, int line,
                       const std::string& message, const LogFields& fields) {
  std::tm tm{};
  localtime_r(&now.tv_sec, &tm);
  char head[160];
  std::snprintf(head, sizeof head, "%c%02d%02d %02d:%02d:%02d.%06ld %7d %s:%d] ",
                "IWEF"[static_cast<int>(severity)], tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                static_cast<long>(now.tv_usec), static_cast<int>(getpid()), file, line);
  std::string out = head;
  Quote(message, out);
  for (const auto& [key, value] : fields) {
    out += ' ' + key + '=';
    if (PlainNumber(value)) {
      out += value;
    } else {
      Quote(value, out);
    }
  }
  out += '\n';
  return out;
}

std::string JsonRecord(Severity severity, int verbosity, const timeval& now, const char* file, int line,
                       const std::string& message, const LogFields& fields) {
  char head[96];
  std::snprintf(head, sizeof head, "{\"ts\":%lld.%03ld,\"caller\":\"%s:%d\",\"msg\":",
                static_cast<long long>(now.tv_sec) * 1000 + now.tv_usec / 1000,
                static_cast<long>(now.tv_usec % 1000), file, line);
  std::string out = head;
  Quote(message, out);
  if (severity == Severity::kInfo || severity == Severity::kWarning) out += ",\"v\":" + std::to_string(verbosity);
  for (const auto& [key, value] : fields) {
    out += ',';
    Quote(key, out);
    out += ':';
    if (PlainNumber(value)) {
      out += value;
    } else {
      Quote(value, out);
    }
  }
  out += "}\n";
  return out;
}

}  // namespace

void SetLogOptions(const LogOptions& options) {
  auto next = std::make_shared<Settings>();
  next->options = options;
  int highest = options.verbosity;
  std::stringstream list(options.vmodule);
  for (std::string item; std::getline(list, item, ',');) {
    auto equals = item.find('=');
    if (equals == std::string::npos) continue;
    int level = std::atoi(item.c_str() + equals + 1);
    next->modules.emplace_back(item.substr(0, equals), level);
    highest = std::max(highest, level);
  }
  std::lock_guard lock(settings_mutex);
  settings = next;
  highest_verbosity = highest;
}

void SetLogVerbosity(int verbosity) {
  LogOptions options = Current()->options;
  options.verbosity = verbosity;
  SetLogOptions(options);
}

bool LogEnabled(int verbosity, const char* file) {
  if (verbosity > highest_verbosity.load(std::memory_order_relaxed)) return false;
  auto current = Current();
  if (verbosity <= current->options.verbosity) return true;
  std::string stem = BaseName(file);
  stem = stem.substr(0, stem.find('.'));
  for (const auto& [pattern, level] : current->modules) {
    if (fnmatch(pattern.c_str(), stem.c_str(), 0) == 0) return verbosity <= level;
  }
  return false;
}

void LogRecord(Severity severity, int verbosity, const char* file, int line, const std::string& message,
               const LogFields& fields) {
  timeval now{};
  gettimeofday(&now, nullptr);
  if (severity >= Severity::kError) errors.fetch_add(1, std::memory_order_relaxed);
  std::string record = Current()->options.format == "json"
                           ? JsonRecord(severity, verbosity, now, BaseName(file), line, message, fields)
                           : TextRecord(severity, now, BaseName(file), line, message, fields);
  [[maybe_unused]] auto n = write(log_fd.load(), record.data(), record.size());
}

void SetLogFd(int fd) { log_fd = fd; }
uint64_t LogErrorCount() { return errors.load(std::memory_order_relaxed); }

}  // namespace kubelet::base
