// Kubernetes quantities: `1500m`, `2Gi`, `1e3`. The message keeps the text; this is its value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "kubelet/api/types.h"

namespace kubelet::api {

// Exact to nano units over the range of the upstream type; finer input rounds away from zero.
class Quantity {
 public:
  Quantity() = default;
  static Quantity FromInt(int64_t value);
  static Quantity FromMilli(int64_t value);
  static Quantity FromBytes(int64_t value);  // binary suffixes on output

  // InvalidArgument for text outside the grammar of apimachinery's resource.Quantity.
  static absl::StatusOr<Quantity> Parse(std::string_view text);
  // Zero for a message that does not parse: decoded objects were checked before.
  static Quantity From(const resource::Quantity& message);

  std::string ToString() const;  // canonical
  resource::Quantity ToMessage() const;

  int64_t Value() const;       // rounded up, clamped to int64
  int64_t MilliValue() const;  // rounded up, clamped to int64
  double AsDouble() const;
  int Sign() const;
  bool IsZero() const { return Sign() == 0; }
  Quantity operator+(const Quantity& other) const;
  Quantity operator-(const Quantity& other) const;
  bool operator==(const Quantity& other) const { return nanos_ == other.nanos_; }
  bool operator<(const Quantity& other) const { return nanos_ < other.nanos_; }

 private:
  enum class Format { kDecimalSI, kBinarySI, kDecimalExponent };
  __int128 nanos_ = 0;
  Format format_ = Format::kDecimalSI;
};

}  // namespace kubelet::api
