// The files in which the managers keep what they gave: of any bytes, never a crash; and what is
// read, is written and read again as it is.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "resource/device_checkpoint.h"
#include "resource/state_text.h"

namespace {

using namespace kubelet::resource;

void CheckDevices(const std::string& text) {
  auto read = DecodeDeviceCheckpoint(text);
  if (!read.ok()) return;
  auto again = DecodeDeviceCheckpoint(EncodeDeviceCheckpoint(*read));
  if (!again.ok() || *again != *read) std::abort();
}

// Few bytes have a right checksum by chance: the error says which one would do.
void CheckDevicesWithSum(const std::string& data) {
  std::string front = "{\"Data\":" + data + ",\"Checksum\":";
  auto read = DecodeDeviceCheckpoint(front + "0}");
  if (read.ok()) return;
  std::string why(read.status().message());
  size_t at = why.rfind(' ');
  if (why.find("the data's is") != std::string::npos) {
    std::string text = front + why.substr(at + 1) + "}";
    if (!DecodeDeviceCheckpoint(text).ok()) std::abort();
    CheckDevices(text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  if (auto cpu = DecodeCpuState(text); cpu.ok()) {
    std::string first = EncodeCpuState(cpu->policy, cpu->state);
    auto again = DecodeCpuState(first);
    if (!again.ok() || EncodeCpuState(again->policy, again->state) != first) std::abort();
  }
  if (auto memory = DecodeMemoryState(text); memory.ok()) {
    std::string first = EncodeMemoryState(memory->policy, memory->state);
    auto again = DecodeMemoryState(first);
    if (!again.ok() || EncodeMemoryState(again->policy, again->state) != first) std::abort();
  }
  CheckDevices(text);
  CheckDevicesWithSum(text);
  return 0;
}
