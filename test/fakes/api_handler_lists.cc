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
  if (version > current) return ApiTooLargeVersion(text, current);
  return version;
}

struct Page {
  std::vector<ObjectPtr> items;
  std::string next;
  int64_t remaining = 0;
};

std::string KeyOf(const Object& object) {
  return MetaOf(object).namespace_() + "/" + MetaOf(object).name();
}

Page Cut(std::vector<ObjectPtr> all, const std::string& after, size_t limit, uint64_t revision) {
  Page page;
  for (ObjectPtr& object : all) {
    if (!after.empty() && KeyOf(*object) <= after) continue;
    if (limit != 0 && page.items.size() == limit) {
      ++page.remaining;
    } else {
      page.items.push_back(std::move(object));
    }
  }
  if (page.remaining > 0)
    page.next = Base64(std::to_string(revision) + "/" + KeyOf(*page.items.back()), true);
  return page;
}

// The key after which a page goes on. 410 when the version of its list is forgotten.
absl::StatusOr<std::string> AfterOf(const std::string& token, uint64_t compacted) {
  if (token.empty()) return std::string();
  std::string text = FromBase64(token);
  auto slash = text.find('/');
  if (slash == std::string::npos) return ApiBadRequest("invalid continue token");
  uint64_t revision = std::strtoull(text.c_str(), nullptr, 10);
  if (revision < compacted)
    return ApiProblem(410, "Expired",
                      "The provided continue parameter is too old to display a consistent list "
                      "result. You can start a new list without the continue parameter.");
  return text.substr(slash + 1);
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
  auto after = AfterOf(token, store.compacted());
  RETURN_IF_ERROR(after.status());
  std::vector<ObjectPtr> chosen;
  for (ObjectPtr& object : all)
    if (selector->Matches(*object)) chosen.push_back(std::move(object));
  // A list from the cache is not cut.
  bool cached = request.Query("resourceVersion") == "0";
  size_t limit = cached ? 0 : std::strtoull(request.Query("limit").c_str(), nullptr, 10);
  Page page = Cut(std::move(chosen), *after, limit, store.revision());
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
  // A version to come is waited for.
  RETURN_IF_ERROR(VersionOf(request, UINT64_MAX).status());
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
