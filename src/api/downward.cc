#include "kubelet/api/downward.h"

#include <map>

#include "kubelet/api/pod.h"
#include "kubelet/api/resources.h"

namespace kubelet::api {
namespace {

// Go's strconv.Quote, as far as labels and annotations of valid UTF-8 need it.
std::string Quoted(const std::string& text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (unsigned char c : text) {
    switch (c) {
      case '"':
      case '\\':
        out += '\\';
        out += static_cast<char>(c);
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        if (c < 0x20 || c == 0x7f) {
          out += "\\x";
          out += kHex[c >> 4];
          out += kHex[c & 15];
        } else {
          out += static_cast<char>(c);
        }
    }
  }
  return out + '"';
}

template <typename Map>
std::string Whole(const Map& map) {
  std::map<std::string, std::string> sorted(map.begin(), map.end());
  std::string out;
  for (const auto& [key, value] : sorted)
    out += (out.empty() ? "" : "\n") + key + "=" + Quoted(value);
  return out;
}

template <typename Map>
std::string ValueOf(const Map& map, const std::string& key) {
  auto it = map.find(key);
  return it == map.end() ? std::string() : it->second;
}

const core::Container* ContainerNamed(const core::Pod& pod, const std::string& name) {
  for (const auto& c : pod.spec().containers())
    if (c.name() == name) return &c;
  for (const auto& c : pod.spec().init_containers())
    if (c.name() == name) return &c;
  return nullptr;
}

__int128 Units(const Quantity& q, bool milli) {
  return milli ? static_cast<__int128>(q.MilliValue()) : static_cast<__int128>(q.Value());
}

std::string DividedUp(const Quantity& value, const core::ResourceFieldSelector& selector,
                      bool milli) {
  Quantity divisor = Quantity::FromInt(1);
  if (selector.has_divisor()) divisor = Quantity::From(selector.divisor());
  if (divisor.IsZero()) divisor = Quantity::FromInt(1);
  __int128 by = Units(divisor, milli);
  if (by <= 0) by = 1;
  return std::to_string(static_cast<int64_t>((Units(value, milli) + by - 1) / by));
}

}  // namespace

absl::StatusOr<std::string> MetadataField(const core::Pod& pod, const std::string& path) {
  const auto& meta = pod.metadata();
  if (path == "metadata.name") return meta.name();
  if (path == "metadata.namespace") return meta.namespace_();
  if (path == "metadata.uid") return meta.uid();
  if (path == "metadata.labels") return Whole(meta.labels());
  if (path == "metadata.annotations") return Whole(meta.annotations());
  bool labels = path.rfind("metadata.labels['", 0) == 0;
  bool annotations = path.rfind("metadata.annotations['", 0) == 0;
  if ((labels || annotations) && path.size() > 2 && path.compare(path.size() - 2, 2, "']") == 0) {
    size_t begin = path.find('\'') + 1;
    if (begin <= path.size() - 2) {
      std::string key = path.substr(begin, path.size() - 2 - begin);
      return labels ? ValueOf(meta.labels(), key) : ValueOf(meta.annotations(), key);
    }
  }
  return absl::InvalidArgumentError("unsupported fieldPath: " + path);
}

absl::StatusOr<std::string> ResourceField(const core::Pod& pod, const std::string& container,
                                          const core::ResourceFieldSelector& selector,
                                          const NodeAllocatable& node) {
  const std::string& wanted =
      selector.container_name().empty() ? container : selector.container_name();
  const auto* spec = ContainerNamed(pod, wanted);
  if (spec == nullptr) return absl::NotFoundError("container " + wanted + " not found");
  const std::string& resource = selector.resource();
  bool limit = resource.rfind("limits.", 0) == 0;
  if (!limit && resource.rfind("requests.", 0) != 0)
    return absl::InvalidArgumentError("unsupported container resource : " + resource);
  std::string name = resource.substr(resource.find('.') + 1);
  if (name != "cpu" && name != "memory" && name != "ephemeral-storage" &&
      name.rfind("hugepages-", 0) != 0)
    return absl::InvalidArgumentError("unsupported container resource : " + resource);
  Quantity value = limit ? Limit(*spec, name) : Request(*spec, name);
  if (limit && value.IsZero() && (name == "cpu" || name == "memory"))
    value = EffectiveLimit(pod.spec(), *spec, name);
  if (limit && value.IsZero()) {
    if (name == "cpu") value = Quantity::FromMilli(node.cpu_milli);
    if (name == "memory") value = Quantity::FromBytes(node.memory_bytes);
    if (name == "ephemeral-storage") value = Quantity::FromBytes(node.ephemeral_storage_bytes);
  }
  return DividedUp(value, selector, name == "cpu");
}

}  // namespace kubelet::api
