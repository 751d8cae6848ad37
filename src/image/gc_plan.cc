#include "image/gc_plan.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "kubelet/image/reference.h"

namespace kubelet::image {
namespace {

std::vector<const ImageRecords::value_type*> Ordered(const ImageRecords& records) {
  std::vector<const ImageRecords::value_type*> out;
  for (const auto& entry : records)
    if (!entry.second.pinned && !entry.second.in_use) out.push_back(&entry);
  std::sort(out.begin(), out.end(), [](const auto* a, const auto* b) {
    return std::tie(a->second.last_used, a->second.first_seen, a->first) <
           std::tie(b->second.last_used, b->second.first_seen, b->first);
  });
  return out;
}

// `sha256:` is left out by some: a short id stands for the image it begins.
bool UsedById(const std::string& id, const std::set<std::string>& ids) {
  if (ids.contains(id)) return true;
  constexpr char kPrefix[] = "sha256:";
  return id.rfind(kPrefix, 0) == 0 && ids.contains(id.substr(sizeof kPrefix - 1));
}

}  // namespace

void Observe(const std::vector<runtime::Image>& images, const UsedImages& used, base::MonoTime now,
             ImageRecords& records) {
  std::set<std::string> wanted;
  for (const auto& reference : used.references) wanted.insert(FullReference(reference));
  ImageRecords next;
  for (const auto& image : images) {
    auto old = records.find(image.id);
    ImageRecord record;
    record.first_seen = now;
    if (old != records.end()) record = old->second;
    record.size_bytes = image.size_bytes;
    record.pinned = image.pinned;
    record.in_use = UsedById(image.id, used.ids) || used.references.contains(image.id);
    for (const auto* names : {&image.repo_tags, &image.repo_digests}) {
      for (const auto& name : *names) {
        record.in_use =
            record.in_use || used.ids.contains(name) || wanted.contains(FullReference(name));
      }
    }
    if (record.in_use) record.last_used = now;
    next[image.id] = record;
  }
  records = std::move(next);
}

std::vector<GcVictim> Removable(const ImageRecords& records, base::MonoTime now,
                                base::Nanos min_age) {
  std::vector<GcVictim> out;
  for (const auto* entry : Ordered(records)) {
    if (now - entry->second.first_seen >= min_age)
      out.push_back({entry->first, entry->second.size_bytes});
  }
  return out;
}

std::vector<GcVictim> TooOld(const ImageRecords& records, base::MonoTime now, base::Nanos max_age) {
  std::vector<GcVictim> out;
  for (const auto* entry : Ordered(records)) {
    base::MonoTime since = std::max(entry->second.last_used, entry->second.first_seen);
    if (now - since > max_age) out.push_back({entry->first, entry->second.size_bytes});
  }
  return out;
}

int UsedPercent(const DiskSpace& space) {
  return 100 - static_cast<int>(static_cast<double>(space.available_bytes) * 100 /
                                static_cast<double>(space.capacity_bytes));
}

int64_t BytesToFree(const DiskSpace& space, int low_percent) {
  return space.capacity_bytes / 100 * (100 - low_percent) +
         space.capacity_bytes % 100 * (100 - low_percent) / 100 - space.available_bytes;
}

std::string SizeText(int64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  double size = static_cast<double>(bytes);
  size_t unit = 0;
  while (size >= 1024 && unit + 1 < kUnits.size()) {
    size /= 1024;
    ++unit;
  }
  char text[64];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", size, kUnits[unit]);
  return text;
}

}  // namespace kubelet::image
