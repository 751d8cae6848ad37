// Reading the small grammars that flags and configuration fields are written in. Pure functions.
// The error texts of numbers are those of Go's strconv, which users know from kubelet.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::config {

std::vector<std::string> Split(const std::string& text, char separator);
// At the first separator: one or two parts.
std::vector<std::string> SplitFirst(const std::string& text, char separator);
std::string Join(const std::vector<std::string>& parts, const std::string& separator);
std::string Trim(const std::string& text);
// In double quotes with the escapes of Go's %q.
std::string Quote(const std::string& text);

// 1 t T TRUE true True and their opposites.
absl::StatusOr<bool> ParseBool(const std::string& text);
// Base prefix 0x, 0o, 0b or a leading 0, as strconv.ParseInt with base 0.
absl::StatusOr<int64_t> ParseInt(const std::string& text, int bits);
// Decimal, 0 to 2^31-1.
absl::StatusOr<uint32_t> ParseLevel(const std::string& text);
// The value before a closing %, such as 10 or 7.5. InvalidArgument without the sign or when it is
// no number.
absl::StatusOr<double> ParsePercent(const std::string& text);
// The first record of RFC 4180 text, as encoding/csv reads it.
absl::StatusOr<std::vector<std::string>> ParseCsv(const std::string& text);

enum class IpFamily { kNone, kV4, kV6 };
// kNone for what is no IP address. Leading zeros in IPv4 count as decimal.
IpFamily ParseIp(const std::string& text);
// 0.0.0.0 or ::.
bool IsUnspecifiedIp(const std::string& text);

// What is wrong, or empty: `prefix/name` of labels and taints, label values, cpuset lists (0-3,8).
std::string QualifiedNameProblem(const std::string& text);
std::string LabelValueProblem(const std::string& text);
std::string CpuListProblem(const std::string& text);

// Lexical cleaning as path.Clean: no doubled slashes, no `.`, `..` resolved; `.` for the empty
// path.
std::string CleanPath(const std::string& path);
bool IsAbsolute(const std::string& path);
std::string DirName(const std::string& path);
std::string JoinPath(const std::string& dir, const std::string& path);

}  // namespace kubelet::config
