// A quantity as Go holds it in memory (apimachinery pkg/api/resource: quantity.go, amount.go, and
// gopkg.in/inf.v0): the same value has several forms there, by how it was written and what was done
// with it, and a dump of the pod shows them. Values only; api::Quantity is what everyone else uses.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kubelet::source {

// unscaled * 10^-scale, without bound; never negative.
struct GoDecimal {
  std::vector<uint64_t> words;  // least significant first, no leading zero word
  int32_t scale = 0;

  void Multiply(uint64_t by);
  void Add(uint64_t value);
  void Add(const GoDecimal& other);  // takes the larger scale
  // To another scale, rounded up.
  void Rescale(int32_t to);
  int Compare(const GoDecimal& other) const;
};

class GoQuantity {
 public:
  // Text of a quantity, or null as JSON has it. nullopt: not a quantity, negative, or an exponent
  // beyond 1000, none of which a pod that is accepted has.
  static std::optional<GoQuantity> Parse(std::string_view text);

  void RoundUpToMilli();
  void Add(const GoQuantity& other);
  // Like Go's Cmp this may change the form of the left side, not its value.
  int Compare(const GoQuantity& other);
  // With the types of all fields, without its own.
  std::string Dump() const;

 private:
  struct Number;
  static std::optional<Number> Split(std::string_view text);
  static bool ReadSuffix(std::string_view suffix, Number& number);
  bool FastPath(std::string_view text, const Number& number);
  void SlowPath(const Number& number);
  void ToDecimal();

  int64_t value_ = 0;  // times 10^scale_, unless there is a decimal
  int32_t scale_ = 0;
  std::optional<GoDecimal> decimal_;
  std::string text_;    // kept when it was canonical
  std::string format_;  // DecimalSI, BinarySI, DecimalExponent; empty for the zero value
};

// A core.ResourceList: nullopt is Go's nil map.
using GoResources = std::optional<std::map<std::string, GoQuantity>>;

struct GoRequirements {
  GoResources limits, requests;
};

// The resource maps of a pod after defaulting (pkg/apis/core/v1/defaults.go), from the JSON of the
// manifest; absent members and null are empty views or "null".
GoResources ReadResources(std::string_view json);
GoRequirements PlainRequirements(std::string_view resources_json);
GoRequirements ContainerRequirements(std::string_view resources_json);
GoRequirements PodRequirements(std::string_view spec_json);

}  // namespace kubelet::source
