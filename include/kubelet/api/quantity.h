// Kubernetes quantities: `1500m`, `2Gi`, `1e3`. The message keeps the text; this is its value.
// Grammar and canonical form: apimachinery pkg/api/resource (quantity.go, suffix.go).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "kubelet/api/types.h"

namespace kubelet::api {

// Exact to nano units; finer input rounds away from zero. Text with a binary suffix is capped at
// 2^63-1 in size, as upstream; every other value at 8e28, where upstream has no bound. A value type
// without shared state.
class Quantity {
 public:
  Quantity() = default;
  static Quantity FromInt(int64_t value);
  static Quantity FromMilli(int64_t value);
  static Quantity FromBytes(int64_t value);  // binary suffixes on output

  // InvalidArgument for text outside the grammar: sign, digits with an optional point, then one of
  // `n u m k M G T P E Ki Mi Gi Ti Pi Ei` or e/E with a decimal exponent that fits int32.
  static absl::StatusOr<Quantity> Parse(std::string_view text);
  // Zero for a message that does not parse: decoded objects were checked before.
  static Quantity From(const resource::Quantity& message);

  // Canonical: no fraction, the largest suffix of the family that is exact; binary values below
  // 1024 or with a fraction in decimal.
  std::string ToString() const;
  resource::Quantity ToMessage() const;

  // Rounded away from zero, clamped to int64.
  int64_t Value() const;
  int64_t MilliValue() const;
  double AsDouble() const;
  int Sign() const;
  bool IsZero() const { return Sign() == 0; }
  // The sum takes the family of suffixes of the left side, or of the right one when the left is
  // zero.
  Quantity operator+(const Quantity& other) const;
  Quantity operator-(const Quantity& other) const;
  bool operator==(const Quantity& other) const { return nanos_ == other.nanos_; }
  bool operator<(const Quantity& other) const { return nanos_ < other.nanos_; }

 private:
  enum class Format { kDecimalSI, kBinarySI, kDecimalExponent };
  struct Suffix;
  static bool ParseSuffix(std::string_view text, Suffix& out);
  Quantity Plus(__int128 nanos, const Quantity& other) const;

  __int128 nanos_ = 0;
  Format format_ = Format::kDecimalSI;
};

// The canonical text of `text`, or InvalidArgument. Cheaper than Parse and ToString when it is
// canonical already.
absl::StatusOr<std::string> CanonicalQuantity(std::string_view text);
// True when `text` is known to be canonical without computing; false says nothing.
bool IsPlainlyCanonicalQuantity(std::string_view text);

}  // namespace kubelet::api
