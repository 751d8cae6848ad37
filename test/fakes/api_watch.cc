#include "fakes/api_watch.h"

#include <cstdlib>

#include "fakes/api_errors.h"
#include "fakes/api_table.h"
#include "kubelet/base/status.h"

namespace kubelet::fakes {

void ApiWatch::Start(std::function<void()> on_closed) {
  on_closed_ = std::move(on_closed);
  open_ = true;
  Responder::Headers headers{{"content-type", options_.form.ContentType(true)},
                             {"cache-control", "no-cache, private"}};
  responder_->Head(200, std::move(headers));
  responder_->OnClosed([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->Close();
  });
  // Between what there is and what changes nothing may be lost, so both happen in one go.
  listener_ = store_.Listen([this](const ApiStore::Change& change) { Send(change); });
  end_ = clock_.Mono() + options_.timeout;
  if (options_.timeout > base::Nanos(0))
    end_timer_ = clock_.After(options_.timeout, [weak = weak_from_this()] {
      if (auto self = weak.lock()) self->End();
    });
  Begin();
  if (options_.bookmarks) ArmBookmark();
}

void ApiWatch::Begin() {
  const std::string& version = options_.resource_version;
  bool from_now = version.empty() || version == "0" || options_.initial_events;
  if (from_now) {
    for (const ObjectPtr& object : store_.List(*options_.kind, options_.ns))
      if (Wants(object)) SendObject("ADDED", object);
    if (options_.initial_events && options_.bookmarks) SendBookmark(true);
    return;
  }
  auto changes = store_.Since(*options_.kind, std::strtoull(version.c_str(), nullptr, 10));
  if (changes.ok()) {
    for (const ApiStore::Change& change : *changes) Send(change);
    return;
  }
  responder_->Body(WatchFrame("ERROR", ApiStatusBody(changes.status()), options_.form.media));
  End();
}

bool ApiWatch::Wants(const ObjectPtr& object) const {
  if (object == nullptr) return false;
  const auto& meta = MetaOf(*object);
  if (!options_.ns.empty() && meta.namespace_() != options_.ns) return false;
  if (!options_.name.empty() && meta.name() != options_.name) return false;
  return options_.selector.Matches(*object);
}

void ApiWatch::Send(const ApiStore::Change& change) {
  if (!open_ || change.kind != options_.kind) return;
  bool deleted = change.type == ApiStore::Change::Type::kDeleted;
  bool before = Wants(change.previous);
  bool after = !deleted && Wants(change.object);
  if (after) {
    SendObject(before ? "MODIFIED" : "ADDED", change.object);
  } else if (before) {
    // The last state that the watcher could see, at the revision at which it went out of sight.
    NewObject last = CopyOf(*change.previous);
    MetaOf(*last).set_resource_version(std::to_string(change.revision));
    SendObject("DELETED", ObjectPtr(std::move(last)));
  }
}

void ApiWatch::SendObject(const std::string& type, const ObjectPtr& object) {
  if (options_.form.as == ApiForm::As::kObject) {
    responder_->Body(WatchFrame(type, *object, options_.form.media));
    return;
  }
  std::string text;
  if (options_.form.as == ApiForm::As::kPartial) {
    text = MakePartial(*object);
  } else {
    TableOptions table;
    table.now = clock_.Now();
    table.include_object = options_.include_object.empty() ? "Metadata" : options_.include_object;
    table.columns = !columns_sent_;
    table.resource_version = MetaOf(*object).resource_version();
    text = MakeTable(*options_.kind, {object}, table);
    columns_sent_ = true;
  }
  responder_->Body("{\"type\":\"" + type + "\",\"object\":" + text + "}\n");
}

void ApiWatch::SendBookmark(bool initial_events_end) {
  if (!open_) return;
  NewObject object = options_.kind->New();
  MetaOf(*object).set_resource_version(std::to_string(store_.revision()));
  if (initial_events_end)
    (*MetaOf(*object).mutable_annotations())["k8s.io/initial-events-end"] = "true";
  SendObject("BOOKMARK", ObjectPtr(std::move(object)));
}

void ApiWatch::ArmBookmark() {
  if (!open_) return;
  // As upstream: every minute, and two seconds before the end.
  base::Nanos wait = options_.bookmark_interval;
  if (options_.timeout > base::Nanos(0)) {
    base::Nanos left = end_ - clock_.Mono() - std::chrono::seconds(2);
    if (left <= base::Nanos(0)) return;
    wait = std::min(wait, left);
  }
  bookmark_timer_ = clock_.After(wait, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->SendBookmark(false);
    self->ArmBookmark();
  });
}

void ApiWatch::End() {
  if (!open_) return;
  responder_->End();
  Close();
}

void ApiWatch::Close() {
  if (!open_) return;
  open_ = false;
  store_.Unlisten(listener_);
  clock_.Cancel(bookmark_timer_);
  clock_.Cancel(end_timer_);
  if (on_closed_) std::exchange(on_closed_, nullptr)();
}

}  // namespace kubelet::fakes
