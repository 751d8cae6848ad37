// One open watch: what of the store's changes goes to it, and in which frames.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "fakes/api_codec.h"
#include "fakes/api_selectors.h"
#include "fakes/api_store.h"
#include "fakes/http2_server.h"
#include "kubelet/base/clock.h"

namespace kubelet::fakes {

class ApiWatch : public std::enable_shared_from_this<ApiWatch> {
 public:
  struct Options {
    const ApiKind* kind = nullptr;
    std::string ns, name;  // empty: all
    ApiSelector selector;
    std::string resource_version;  // as asked: empty and `0` begin with what is there
    bool bookmarks = false;
    bool initial_events = false;  // sendInitialEvents=true: all of it, then a bookmark that says so
    ApiForm form;
    std::string include_object;  // of tables
    base::Nanos timeout{}, bookmark_interval = std::chrono::minutes(1);
  };
  ApiWatch(ApiStore& store, base::Clock& clock, Options options, ResponderPtr responder)
      : store_(store),
        clock_(clock),
        options_(std::move(options)),
        responder_(std::move(responder)) {}
  ~ApiWatch() { Close(); }

  // Sends the head and what there is; a resourceVersion that is too old becomes an ERROR event
  // (410).
  void Start(std::function<void()> on_closed);
  // Ends the stream in good order.
  void End();
  const Options& options() const { return options_; }

 private:
  void Begin();
  void Send(const ApiStore::Change& change);
  void SendObject(const std::string& type, const ObjectPtr& object);
  void SendBookmark(bool initial_events_end);
  void ArmBookmark();
  void Close();
  bool Wants(const ObjectPtr& object) const;

  ApiStore& store_;
  base::Clock& clock_;
  Options options_;
  ResponderPtr responder_;
  std::function<void()> on_closed_;
  uint64_t listener_ = 0;
  base::Clock::TimerId bookmark_timer_{}, end_timer_{};
  base::MonoTime end_{};
  bool open_ = false, columns_sent_ = false;
};

}  // namespace kubelet::fakes
