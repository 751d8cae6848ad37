// Any text as a quantity, a time and a duration: canonical forms are stable.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "kubelet/api/quantity.h"
#include "kubelet/api/time.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace api = kubelet::api;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (absl::StatusOr<api::Quantity> value = api::Quantity::Parse(text); value.ok()) {
    std::string canonical = value->ToString();
    absl::StatusOr<api::Quantity> back = api::Quantity::Parse(canonical);
    if (!back.ok() || !(*back == *value) || back->ToString() != canonical) std::abort();
    if (api::IsPlainlyCanonicalQuantity(text) && canonical != text) std::abort();
    (void)value->Value();
    (void)value->MilliValue();
    if (!(*value - *value).IsZero()) std::abort();
  }
  if (absl::StatusOr<api::UnixTime> time = api::ParseRfc3339(text); time.ok()) {
    absl::StatusOr<api::UnixTime> back = api::ParseRfc3339(api::FormatRfc3339(*time, 9));
    // An offset can move a time out of the years that have a text.
    if (time->seconds >= -62167219200 && time->seconds <= 253402300799 &&
        (!back.ok() || !(*back == *time)))
      std::abort();
  }
  if (absl::StatusOr<kubelet::base::Nanos> duration = api::ParseGoDuration(text); duration.ok()) {
    absl::StatusOr<kubelet::base::Nanos> back =
        api::ParseGoDuration(kubelet::base::GoDuration(*duration));
    if (!back.ok() || *back != *duration) std::abort();
  }
  return 0;
}
