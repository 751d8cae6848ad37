#include "stats/machine.h"

#include "stats/family.h"

namespace kubelet::stats {
namespace {

std::string Label(const char* name, const std::string& value) {
  std::string out = std::string(name) + "=\"";
  base::AppendLabelValue(value, out);
  return out + '"';
}

}  // namespace

MachineFacts FactsOf(const os::Machine& machine, const os::CpuLayout& layout, base::WallTime now) {
  MachineFacts out;
  out.labels = Label("boot_id", machine.boot_id) + "," + Label("machine_id", machine.machine_id) +
               "," + Label("system_uuid", machine.system_uuid);
  out.version = Label("cadvisorRevision", "") + "," + Label("cadvisorVersion", "") + "," +
                Label("dockerVersion", "") + "," + Label("kernelVersion", machine.kernel_version) +
                "," + Label("osVersion", machine.os_image);
  out.cpus = static_cast<uint64_t>(machine.cpus);
  out.cores = static_cast<uint64_t>(layout.cores);
  out.sockets = static_cast<uint64_t>(layout.sockets);
  out.memory = static_cast<uint64_t>(machine.memory_bytes);
  out.swap = static_cast<uint64_t>(machine.swap_bytes);
  out.at = now;
  return out;
}

void WriteMachine(const MachineFacts& m, FamilyWriter& out) {
  struct Row {
    const char* name;
    const char* help;
    uint64_t value;
  };
  const Row rows[] = {
      {"machine_cpu_books", "Number of CPU books.", 0},
      {"machine_cpu_cores", "Number of logical CPU cores.", m.cpus},
      {"machine_cpu_drawers", "Number of CPU drawers.", 0},
      {"machine_cpu_physical_cores", "Number of physical CPU cores.", m.cores},
      {"machine_cpu_sockets", "Number of CPU sockets.", m.sockets},
      {"machine_memory_bytes", "Amount of memory installed on the machine.", m.memory},
      {"machine_nvm_avg_power_budget_watts", "NVM power budget.", 0},
      {"machine_nvm_capacity",
       "NVM capacity value labeled by NVM mode (memory mode or app direct mode).", 0},
      {"machine_scrape_error",
       "1 if there was an error while getting machine metrics, 0 otherwise.", 0},
      {"machine_swap_bytes", "Amount of swap memory available on the machine.", m.swap},
  };
  for (const Row& row : rows) {
    out.Begin(row.name, row.help, "gauge");
    std::string name = row.name;
    if (name == "machine_scrape_error") {
      out.Plain("", 0);
    } else if (name == "machine_nvm_capacity") {
      size_t place = m.labels.find("system_uuid");
      for (const char* mode : {"app_direct_mode", "memory_mode"}) {
        std::string labels = m.labels;
        out.Plain(labels.insert(place, std::string("mode=\"") + mode + "\","), 0, m.at);
      }
    } else {
      out.Plain(m.labels, static_cast<double>(row.value), m.at);
    }
  }
}

}  // namespace kubelet::stats
