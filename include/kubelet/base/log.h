// Log records in klog's text form, or JSON: `I0102 15:04:05.000000   42 file.cc:12] "Message" pod="ns/name"`.
// Thread safe; one write(2) per record, so records of several threads do not mix.
//
//   LOG_INFO("Started container", "pod", name, "attempt", 3);     always
//   LOG_V(2, "Relist done", "pods", n);                            with -v=2 and up, arguments unevaluated below
//   LOG_ERROR("Cannot start", "pod", name, "err", status);
#pragma once

#include <cstdint>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace kubelet::base {

enum class Severity { kInfo, kWarning, kError, kFatal };

struct LogOptions {
  int verbosity = 0;         // -v
  std::string vmodule;       // pattern=N,...: per file, by its name without suffix, with * and ?
  std::string format = "text";  // text or json
};
// Takes effect at once for all threads.
void SetLogOptions(const LogOptions& options);
bool LogEnabled(int verbosity, const char* file);

using LogFields = std::vector<std::pair<std::string, std::string>>;
void LogRecord(Severity severity, int verbosity, const char* file, int line, const std::string& message,
               const LogFields& fields);
// Writes the records to this descriptor instead of stderr; tests only.
void SetLogFd(int fd);
// How many records of severity error or fatal were written.
uint64_t LogErrorCount();

namespace log_internal {
template <typename T>
std::string Text(const T& value) {
  if constexpr (std::is_same_v<T, absl::Status>) {
    return value.ToString(absl::StatusToStringMode::kWithNoExtraData);  // payloads are for programs
  } else if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_convertible_v<T, std::string>) {
    return std::string(value);
  } else {
    std::ostringstream out;
    out << value;
    return out.str();
  }
}
inline void Add(LogFields&) {}
template <typename V, typename... Rest>
void Add(LogFields& fields, const char* key, const V& value, const Rest&... rest) {
  fields.emplace_back(key, Text<std::decay_t<V>>(value));
  Add(fields, rest...);
}
template <typename... Args>
void Log(Severity severity, int v, const char* file, int line, const std::string& message,
         const Args&... args) {
  LogFields fields;
  Add(fields, args...);
  LogRecord(severity, v, file, line, message, fields);
}
}  // namespace log_internal

#define LOG_AT_(severity, v, ...) \
  ::kubelet::base::log_internal::Log(severity, v, __FILE__, __LINE__, __VA_ARGS__)
#define LOG_INFO(...) LOG_AT_(::kubelet::base::Severity::kInfo, 0, __VA_ARGS__)
#define LOG_WARNING(...) LOG_AT_(::kubelet::base::Severity::kWarning, 0, __VA_ARGS__)
#define LOG_ERROR(...) LOG_AT_(::kubelet::base::Severity::kError, 0, __VA_ARGS__)
#define LOG_V(v, ...)                                          \
  do {                                                         \
    if (::kubelet::base::LogEnabled(v, __FILE__))              \
      LOG_AT_(::kubelet::base::Severity::kInfo, v, __VA_ARGS__); \
  } while (false)

}  // namespace kubelet::base
