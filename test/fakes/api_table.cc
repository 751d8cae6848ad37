#include "fakes/api_table.h"

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "fakes/api_table_pod.h"
#include "k8s/core/v1/event.pb.h"
#include "k8s/core/v1/namespace.pb.h"
#include "k8s/core/v1/node.pb.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/time.h"

namespace kubelet::fakes {
namespace {

namespace core = api::core;
namespace json = boost::json;

struct Column {
  const char* name;
  const char* type = "string";
  int priority = 0;
};

const std::vector<Column>& Columns(const ApiKind& kind) {
  static const auto& pods = *new std::vector<Column>{{"Name"},
                                                     {"Ready"},
                                                     {"Status"},
                                                     {"Restarts"},
                                                     {"Age"},
                                                     {"IP", "string", 1},
                                                     {"Node", "string", 1},
                                                     {"Nominated Node", "string", 1},
                                                     {"Readiness Gates", "string", 1}};
  static const auto& nodes = *new std::vector<Column>{{"Name"},
                                                      {"Status"},
                                                      {"Roles"},
                                                      {"Age"},
                                                      {"Version"},
                                                      {"Internal-IP", "string", 1},
                                                      {"External-IP", "string", 1},
                                                      {"OS-Image", "string", 1},
                                                      {"Kernel-Version", "string", 1},
                                                      {"Container-Runtime", "string", 1}};
  static const auto& events = *new std::vector<Column>{{"Last Seen"},
                                                       {"Type"},
                                                       {"Reason"},
                                                       {"Object"},
                                                       {"Subobject", "string", 1},
                                                       {"Source", "string", 1},
                                                       {"Message"},
                                                       {"First Seen", "string", 1},
                                                       {"Count", "string", 1},
                                                       {"Name", "string", 1}};
  static const auto& namespaces = *new std::vector<Column>{{"Name"}, {"Status"}, {"Age"}};
  static const auto& others = *new std::vector<Column>{{"Name"}, {"Age"}};
  if (kind.plural == "pods") return pods;
  if (kind.plural == "nodes") return nodes;
  if (kind.plural == "events") return events;
  if (kind.plural == "namespaces") return namespaces;
  return others;
}

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ",") + word;
  return text;
}

std::string OrUnknown(const std::string& text) { return text.empty() ? "<unknown>" : text; }

std::string Roles(const core::Node& node) {
  std::set<std::string> roles;
  const std::string prefix = "node-role.kubernetes.io/";
  for (const auto& [key, value] : node.metadata().labels()) {
    if (key.rfind(prefix, 0) == 0 && key.size() > prefix.size())
      roles.insert(key.substr(prefix.size()));
    if (key == "kubernetes.io/role" && !value.empty()) roles.insert(value);
  }
  return roles.empty() ? "<none>" : Join({roles.begin(), roles.end()});
}

std::string Address(const core::Node& node, const std::string& type) {
  for (const auto& address : node.status().addresses())
    if (address.type() == type) return address.address();
  return "<none>";
}

json::array NodeCells(const core::Node& node, base::WallTime now) {
  std::vector<std::string> status;
  for (const auto& condition : node.status().conditions())
    if (condition.type() == "Ready")
      status.push_back(condition.status() == "True" ? "Ready" : "NotReady");
  if (status.empty()) status.push_back("Unknown");
  if (node.spec().unschedulable()) status.push_back("SchedulingDisabled");
  const auto& info = node.status().node_info();
  std::string kernel = OrUnknown(info.kernel_version());
  if (!info.architecture().empty()) kernel += " (" + info.architecture() + ")";
  return {node.metadata().name(),
          Join(status),
          Roles(node),
          TimeSince(node.metadata().creation_timestamp(), now),
          info.kubelet_version(),
          Address(node, "InternalIP"),
          Address(node, "ExternalIP"),
          OrUnknown(info.os_image()),
          kernel,
          OrUnknown(info.container_runtime_version())};
}

std::string MicroSince(const api::meta::MicroTime& time, base::WallTime now) {
  auto wall = api::ToWallTime(time);
  return wall ? HumanDuration(now - *wall) : "<unknown>";
}

std::string EventSource(const core::Event& event) {
  std::string component = event.source().component();
  std::string host = event.source().host();
  if (component.empty()) component = event.reporting_component();
  if (host.empty()) host = event.reporting_instance();
  return host.empty() ? component : component + ", " + host;
}

json::array EventCells(const core::Event& event, base::WallTime now) {
  std::string first = TimeSince(event.first_timestamp(), now);
  if (first == "<unknown>") first = MicroSince(event.event_time(), now);
  std::string last = TimeSince(event.last_timestamp(), now);
  if (last == "<unknown>") last = first;
  int64_t count = std::max(event.count(), 1);
  if (event.has_series()) {
    last = MicroSince(event.series().last_observed_time(), now);
    count = event.series().count();
  }
  std::string target;
  for (char c : event.involved_object().kind()) target += static_cast<char>(std::tolower(c));
  if (!event.involved_object().name().empty()) target += "/" + event.involved_object().name();
  return {last,
          event.type(),
          event.reason(),
          target,
          event.involved_object().field_path(),
          EventSource(event),
          event.message(),
          first,
          count,
          event.metadata().name()};
}

json::array Cells(const ApiKind& kind, const Object& object, base::WallTime now) {
  if (kind.plural == "pods") return PodCells(static_cast<const core::Pod&>(object), now);
  if (kind.plural == "nodes") return NodeCells(static_cast<const core::Node&>(object), now);
  if (kind.plural == "events") return EventCells(static_cast<const core::Event&>(object), now);
  std::string age = TimeSince(MetaOf(object).creation_timestamp(), now);
  if (kind.plural == "namespaces")
    return {MetaOf(object).name(), static_cast<const core::Namespace&>(object).status().phase(),
            age};
  return {MetaOf(object).name(), age};
}

json::object Partial(const Object& object) {
  json::object partial{{"kind", "PartialObjectMetadata"}, {"apiVersion", "meta.k8s.io/v1"}};
  partial["metadata"] = json::parse(api::EncodeJson(MetaOf(object)));
  return partial;
}

json::value RowObject(const Object& object, const std::string& include) {
  if (include == "Object") {
    json::parse_options options;
    options.max_depth = 1000;
    return json::parse(api::EncodeJson(object), {}, options);
  }
  if (include == "None") return nullptr;
  return Partial(object);
}

}  // namespace

std::string TimeSince(const api::meta::Time& time, base::WallTime now) {
  auto wall = api::ToWallTime(time);
  return wall ? HumanDuration(now - *wall) : "<unknown>";
}

std::string HumanDuration(base::Nanos duration) {
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  auto text = [](int64_t value, const char* unit) { return std::to_string(value) + unit; };
  auto two = [&](int64_t a, const char* unit, int64_t b, const char* small) {
    return text(a, unit) + (b == 0 ? "" : text(b, small));
  };
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return text(seconds, "s");
  int64_t minutes = seconds / 60;
  if (minutes < 10) return two(minutes, "m", seconds % 60, "s");
  if (minutes < 180) return text(minutes, "m");
  int64_t hours = minutes / 60;
  if (hours < 8) return two(hours, "h", minutes % 60, "m");
  if (hours < 48) return text(hours, "h");
  if (hours < 24 * 8) return two(hours / 24, "d", hours % 24, "h");
  if (hours < 24 * 365 * 2) return text(hours / 24, "d");
  if (hours < 24 * 365 * 8) return two(hours / 24 / 365, "y", hours / 24 % 365, "d");
  return text(hours / 24 / 365, "y");
}

std::string MakeTable(const ApiKind& kind, const std::vector<ObjectPtr>& items,
                      const TableOptions& options) {
  json::object table{{"kind", "Table"}, {"apiVersion", "meta.k8s.io/v1"}};
  json::object meta{{"resourceVersion", options.resource_version}};
  if (!options.next.empty()) meta["continue"] = options.next;
  table["metadata"] = meta;
  json::array columns;
  if (options.columns) {
    for (const Column& column : Columns(kind)) {
      bool name = std::string(column.name) == "Name";
      columns.push_back(json::object{{"name", column.name},
                                     {"type", column.type},
                                     {"format", name ? "name" : ""},
                                     {"description", column.name},
                                     {"priority", column.priority}});
    }
    table["columnDefinitions"] = columns;
  } else {
    table["columnDefinitions"] = nullptr;
  }
  json::array rows;
  for (const ObjectPtr& item : items)
    rows.push_back(json::object{{"cells", Cells(kind, *item, options.now)},
                                {"object", RowObject(*item, options.include_object)}});
  table["rows"] = rows;
  return json::serialize(table);
}

std::string MakePartial(const Object& object) { return json::serialize(Partial(object)); }

std::string MakePartialList(const std::vector<ObjectPtr>& items, uint64_t revision) {
  json::object list{{"kind", "PartialObjectMetadataList"}, {"apiVersion", "meta.k8s.io/v1"}};
  list["metadata"] = json::object{{"resourceVersion", std::to_string(revision)}};
  json::array all;
  for (const ObjectPtr& item : items) all.push_back(Partial(*item));
  list["items"] = all;
  return json::serialize(list);
}

}  // namespace kubelet::fakes
