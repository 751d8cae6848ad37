// Lists and watches.
#include <cstdlib>

#include "fakes/api_errors.h"
#include "fakes/api_handler.h"
#include "fakes/api_table.h"
#include "kubelet/base/status.h"

namespace kubelet::fakes {
namespace {

absl::StatusOr<uint64_t> VersionOf(const ApiRequest& request, uint64_t current) {
  std::string text = request.Query("resourceVersion");
  if (text.empty()) return 0;
  char* end = nullptr;
  uint64_t version = std::strtoull(text.c_str(), &end, 10);
  if (*end != '\0') return ApiBadRequest("invalid resource version \"" + text + "\"");
  if (version > current)
    return ApiProblem(
        504, "Timeout",
        "Too large resource version: " + text + ", current: " + std::to_string(current));
  return version;
}

// `ns/name` of the last object that was sent.
struct Page {
  std::vector<ObjectPtr> items;
  std::string next;
  int64_t remaining = 0;
};

std::string KeyOf(const Object& object) {
  return MetaOf(object).namespace_() + "/" + MetaOf(object).name();
}

Page Cut(std::vector<ObjectPtr> all, const std::string& after, size_t limit) {
  Page page;
  for (ObjectPtr& object : all) {
    if (!after.empty() && KeyOf(*object) <= after) continue;
    if (limit != 0 && page.items.size() == limit) {
      ++page.remaining;
    } else {
      page.items.push_back(std::move(object));
    }
  }
  if (page.remaining > 0) page.next = Base64(KeyOf(*page.items.back()), true);
  return page;
}

std::string FromHexless(const std::string& token, const std::vector<ObjectPtr>& all) {
  for (const ObjectPtr& object : all)
    if (Base64(KeyOf(*object), true) == token) return KeyOf(*object);
  return "";
}

}  // namespace

absl::Status ApiHandler::List(Call& call) {
  const ApiRequest& request = call.request;
  ApiStore& store = registry_.store();
  auto selector = ApiSelector::Parse(*request.kind, request.Query("fieldSelector"),
                                     request.Query("labelSelector"));
  RETURN_IF_ERROR(selector.status());
  RETURN_IF_ERROR(VersionOf(request, store.revision()).status());
  std::vector<ObjectPtr> all = store.List(*request.kind, request.ns);
  std::string token = request.Query("continue");
  std::string after = token.empty() ? "" : FromHexless(token, all);
  if (!token.empty() && after.empty())
    return ApiProblem(410, "Expired", "The provided continue parameter is too old");
  std::vector<ObjectPtr> chosen;
  for (ObjectPtr& object : all)
    if (selector->Matches(*object)) chosen.push_back(std::move(object));
  // A list from the cache is not cut.
  bool cached = request.Query("resourceVersion") == "0";
  size_t limit = cached ? 0 : std::strtoull(request.Query("limit").c_str(), nullptr, 10);
  Page page = Cut(std::move(chosen), after, limit);
  if (call.form.as == ApiForm::As::kPartial) {
    ReplyText(call, 200, "application/json", MakePartialList(page.items, store.revision()));
    return absl::OkStatus();
  }
  if (call.form.as == ApiForm::As::kTable) {
    TableOptions table;
    table.now = clock_.Now();
    if (!request.Query("includeObject").empty())
      table.include_object = request.Query("includeObject");
    table.resource_version = std::to_string(store.revision());
    table.next = page.next;
    ReplyText(call, 200, "application/json", MakeTable(*request.kind, page.items, table));
    return absl::OkStatus();
  }
  Reply(call, 200,
        *MakeList(*request.kind, page.items, store.revision(), page.next, page.remaining));
  return absl::OkStatus();
}

absl::Status ApiHandler::Watch(Call& call) {
  const ApiRequest& request = call.request;
  auto selector = ApiSelector::Parse(*request.kind, request.Query("fieldSelector"),
                                     request.Query("labelSelector"));
  RETURN_IF_ERROR(selector.status());
  RETURN_IF_ERROR(VersionOf(request, registry_.store().revision()).status());
  ApiWatch::Options options;
  options.initial_events = request.Flag("sendInitialEvents");
  if (!request.Query("sendInitialEvents").empty() && !options_.watch_list)
    return ApiProblem(
        422, "Invalid",
        "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: "
        "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled");
  if (!request.Query("sendInitialEvents").empty() &&
      request.Query("resourceVersionMatch") != "NotOlderThan")
    return ApiProblem(422, "Invalid",
                      "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
                      "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  options.kind = request.kind;
  options.ns = request.ns;
  options.name = request.name;
  options.selector = *std::move(selector);
  options.resource_version = request.Query("resourceVersion");
  options.bookmarks = request.Flag("allowWatchBookmarks");
  options.form = call.form;
  options.include_object = request.Query("includeObject");
  options.timeout =
      std::chrono::seconds(std::strtoll(request.Query("timeoutSeconds").c_str(), nullptr, 10));
  options.bookmark_interval = options_.bookmark_interval;
  auto watch =
      std::make_shared<ApiWatch>(registry_.store(), clock_, std::move(options), call.responder);
  watches_.insert(watch);
  watch->Start([this, weak = std::weak_ptr<ApiWatch>(watch)] { watches_.erase(weak.lock()); });
  return absl::OkStatus();
}

}  // namespace kubelet::fakes
