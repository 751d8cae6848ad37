#include "source/settle.h"

#include <algorithm>

namespace kubelet::source {

void Settler::Follow(Fate& fate, uint32_t mask) {
  if (fate == Fate::kDeleted) return;
  if (mask & IN_MOVED_TO) fate = Fate::kThere;
  if (fate == Fate::kMovedAway) return;
  if (mask & IN_MOVED_FROM) fate = Fate::kMovedAway;
  if (mask & IN_DELETE) fate = Fate::kDeleted;
}

void Settler::Add(const os::InotifyEvent& event, bool known, base::MonoTime now) {
  auto [it, added] = names_.try_emplace(event.name);
  Name& name = it->second;
  if (added) name.first = now;
  Follow(name.fate, event.mask);
  base::MonoTime quiet = std::min(now + options_.quiet, name.first + options_.burst_limit);
  if (event.mask & IN_CLOSE_WRITE) {
    name.open_since.reset();
    name.due = known ? now : quiet;
  } else if (event.mask & IN_MOVED_TO) {
    name.open_since.reset();
    name.due = event.cookie != 0 && event.cookie == last_move_ ? quiet : now;
  } else if (event.mask & IN_MODIFY) {
    if (!name.open_since) name.open_since = now;
    name.due = *name.open_since + options_.writer_hold;
  } else {
    if (event.mask & IN_MOVED_FROM) last_move_ = event.cookie;
    if (event.mask & (IN_MOVED_FROM | IN_DELETE)) name.open_since.reset();
    if (!name.open_since) name.due = quiet;
  }
}

std::optional<base::MonoTime> Settler::Next() const {
  std::optional<base::MonoTime> next;
  for (const auto& [key, name] : names_) next = next ? std::min(*next, name.due) : name.due;
  return next;
}

bool Settler::TakeDue(base::MonoTime now) {
  for (const auto& [key, name] : names_) {
    if (name.due <= now && name.fate == Fate::kDeleted) deleted_.insert(key);
  }
  return std::erase_if(names_, [now](const auto& entry) { return entry.second.due <= now; }) > 0;
}

std::set<std::string> Settler::TakeDeleted(const std::set<std::string>& but) {
  std::set<std::string> out;
  for (const auto& name : deleted_) {
    if (!but.contains(name)) out.insert(name);
  }
  for (const auto& name : out) deleted_.erase(name);
  return out;
}

std::set<std::string> Settler::Pending() const {
  std::set<std::string> out;
  for (const auto& [key, name] : names_) out.insert(key);
  return out;
}

}  // namespace kubelet::source
