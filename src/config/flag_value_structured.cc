// Flag values that are lists of structures: headers, taints, reserved memory, vmodule.
#include <map>
#include <utility>

#include "config/flag_value.h"
#include "config/text.h"
#include "kubelet/api/quantity.h"
#include "kubelet/base/status.h"

namespace kubelet::config {
namespace {

using v1beta1::KubeletConfiguration;

absl::Status Invalid(const std::string& message) { return absl::InvalidArgumentError(message); }

// key=value:effect; value and its = may be missing.
absl::StatusOr<k8s::io::api::core::v1::Taint> ParseTaint(const std::string& text) {
  auto error = [&text](const std::string& what) {
    return Invalid("invalid taint spec: " + text + what);
  };
  std::vector<std::string> parts = Split(text, ':');
  if (parts.size() != 2) return error("");
  const std::string& effect = parts[1];
  if (effect != "NoSchedule" && effect != "PreferNoSchedule" && effect != "NoExecute") {
    return Invalid("invalid taint effect: " + effect + ", unsupported taint effect");
  }
  std::vector<std::string> pair = Split(parts[0], '=');
  if (pair.size() > 2) return error("");
  if (std::string problem = QualifiedNameProblem(pair[0]); !problem.empty())
    return error(", key " + problem);
  k8s::io::api::core::v1::Taint taint;
  taint.set_key(pair[0]);
  taint.set_effect(effect);
  if (pair.size() == 2) {
    if (std::string problem = LabelValueProblem(pair[1]); !problem.empty())
      return error(", value " + problem);
    taint.set_value(pair[1]);
  }
  return taint;
}

absl::StatusOr<v1beta1::MemoryReservation> ParseReservation(const std::string& text) {
  std::vector<std::string> parts = Split(text, ':');
  if (parts.size() != 2)
    return Invalid("expected node:type=quantity[,type=quantity...], got " + Quote(text));
  absl::StatusOr<int64_t> node = ParseInt(parts[0], 32);
  if (!node.ok()) return Invalid("the NUMA node must be an integer, got " + Quote(parts[0]));
  v1beta1::MemoryReservation reservation;
  reservation.set_numa_node(static_cast<int32_t>(*node));
  for (const std::string& limit : Split(parts[1], ',')) {
    std::vector<std::string> pair = Split(limit, '=');
    if (pair.size() != 2) return Invalid("expected type=quantity, got " + Quote(limit));
    if (pair[0] != "memory" && pair[0].rfind("hugepages-", 0) != 0) {
      return Invalid("unknown memory type " + Quote(pair[0]));
    }
    ASSIGN_OR_RETURN(api::Quantity quantity, api::Quantity::Parse(pair[1]));
    (*reservation.mutable_limits())[pair[0]] = quantity.ToMessage();
  }
  return reservation;
}

}  // namespace

absl::Status WriteHeaders(KubeletConfiguration& config, const std::string& value, bool first) {
  if (first) config.clear_static_pod_url_header();
  for (const std::string& part : Split(value, ',')) {
    if (part.empty()) continue;
    std::vector<std::string> pair = SplitFirst(part, ':');
    if (pair.size() != 2) return Invalid("malformed pair, expect string:string");
    (*config.mutable_static_pod_url_header())[Trim(pair[0])].add_items(Trim(pair[1]));
  }
  return absl::OkStatus();
}

absl::Status WriteTaints(KubeletConfiguration& config, const std::string& value) {
  config.clear_register_with_taints();
  if (value.empty()) return absl::OkStatus();
  std::map<std::pair<std::string, std::string>, int> seen;
  for (const std::string& part : Split(value, ',')) {
    // `taint-` takes a taint away elsewhere in Kubernetes and is accepted and ignored here.
    if (!part.empty() && part.back() == '-') continue;
    ASSIGN_OR_RETURN(auto taint, ParseTaint(part));
    if (++seen[{taint.key(), taint.effect()}] > 1) {
      return Invalid("duplicated taints with the same key and effect: " + part);
    }
    *config.add_register_with_taints() = taint;
  }
  return absl::OkStatus();
}

absl::Status WriteReservedMemory(KubeletConfiguration& config, const std::string& value,
                                 bool first) {
  if (first) config.clear_reserved_memory();
  if (value.empty()) return absl::OkStatus();
  for (const std::string& part : Split(value, ';')) {
    ASSIGN_OR_RETURN(*config.add_reserved_memory(), ParseReservation(part));
  }
  return absl::OkStatus();
}

absl::Status WriteVModule(KubeletConfiguration& config, const std::string& value) {
  for (const std::string& part : Split(value, ',')) {
    if (part.empty()) continue;
    std::vector<std::string> pair = Split(part, '=');
    if (pair.size() != 2 || pair[0].empty() || pair[1].empty()) {
      return Invalid(Quote(part) + " does not have the pattern=N format");
    }
    absl::StatusOr<uint32_t> level = ParseLevel(pair[1]);
    if (!level.ok())
      return Invalid("parsing verbosity in " + Quote(part) + ": " + base::Message(level.status()));
    v1beta1::VModuleItem* item = config.mutable_logging()->add_vmodule();
    item->set_file_pattern(pair[0]);
    item->set_verbosity(*level);
  }
  return absl::OkStatus();
}

}  // namespace kubelet::config
