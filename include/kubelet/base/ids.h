// Strong string ids: a sandbox id does not pass for a container id.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <utility>

namespace kubelet::base {

template <typename Tag>
class StringId {
 public:
  StringId() = default;
  explicit StringId(std::string value) : value_(std::move(value)) {}
  const std::string& str() const { return value_; }
  bool empty() const { return value_.empty(); }
  auto operator<=>(const StringId&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const StringId& id) { return out << id.value_; }

 private:
  std::string value_;
};

}  // namespace kubelet::base

template <typename Tag>
struct std::hash<kubelet::base::StringId<Tag>> {
  size_t operator()(const kubelet::base::StringId<Tag>& id) const { return std::hash<std::string>()(id.str()); }
};
