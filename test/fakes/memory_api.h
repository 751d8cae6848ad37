// An API server in memory behind the port client::Api, with the semantics of the real one as far as
// a kubelet can tell: resourceVersions, conflicts, status subresources, graceful deletion of pods,
// field selectors, watches with bookmarks and 410. No admission, no defaulting, no authorization.
//
//   MemoryApi api(io.get_executor(), clock);
//   api.Put({kPods, "default"}, pod);                   // what other clients do: at once, no log
//   api.Fail("PATCH", "/status", ToStatus({500, "", "", {}}), 2);
//   CHECK(api.Count("CREATE", "/events") == 1);
//
// Faults are matched by verb (GET LIST WATCH CREATE UPDATE PATCH DELETE, empty: any) and by a part
// of the path. They apply in the order in which they were set.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kubelet/api/types.h"
#include "kubelet/client/api.h"

namespace kubelet::test {

class MemoryApi : public client::Api {
 public:
  MemoryApi(base::Executor executor, base::Clock& clock);
  ~MemoryApi() override;

  base::Task<absl::Status> Do(client::Call call, google::protobuf::Message* out) override;
  base::Task<absl::StatusOr<std::unique_ptr<client::WatchStream>>> Watch(
      client::ObjectPath path, std::vector<std::pair<std::string, std::string>> query,
      const google::protobuf::Message* prototype) override;

  // What other clients do. Put creates or replaces as it is, status and all (metadata: name is
  // needed; uid, resourceVersion, creationTimestamp are filled in); the path is a collection.
  client::MessagePtr Put(client::ObjectPath collection, const google::protobuf::Message& object);
  // A DELETE, without grace (gone at once) or with the default grace of the object.
  absl::Status Remove(client::ObjectPath path, bool graceful = false);
  // The stored object, or null.
  template <typename T>
  std::shared_ptr<const T> Find(client::ObjectPath path) const {
    return std::dynamic_pointer_cast<const T>(FindMessage(path));
  }
  client::MessagePtr FindMessage(client::ObjectPath path) const;
  // Every object of a kind (any namespace), by namespace and name.
  std::vector<client::MessagePtr> All(client::Resource resource) const;
  uint64_t resource_version() const;

  // One entry for each Do and each Watch, faulty ones too, at its beginning.
  struct Logged {
    std::string verb;
    std::string path;  // with namespace, name, subresource; no query
    client::Call call;
    base::MonoTime at;
  };
  std::vector<Logged> log;
  int Count(const std::string& verb, const std::string& path_part) const;

  // The next `times` matching calls fail with `status`; nothing else happens.
  void Fail(const std::string& verb, const std::string& path_part, absl::Status status,
            int times = 1);
  // The next matching calls take effect, but their answer is lost: they fail with `status`.
  void LoseAnswer(const std::string& verb, const std::string& path_part, absl::Status status,
                  int times = 1);
  // Matching calls wait until Release, or until their timeout (DeadlineExceeded).
  void Hold(const std::string& verb, const std::string& path_part);
  void Release();
  // Nobody listens: every call fails with Unavailable (no ApiError), open watches break.
  void Down();
  void Up();
  // Each call takes this long before it has its effect.
  void set_latency(base::Nanos latency);
  // Open watches fail with `status`; OutOfRange without ApiError is an end in good order.
  void BreakWatches(absl::Status status);
  size_t open_watches(const std::string& path_part = "") const;
  // Drops the history: a watch from an older resourceVersion gets 410, and so do open ones that
  // have not read all. Continue tokens expire.
  void Compact();
  // A bookmark with the present resourceVersion into every watch that allowed them.
  void Bookmark();
  // false: sendInitialEvents is answered with 422, as by a server without WatchList.
  void set_watch_list(bool on);
  // A list is cut into pages of this size whatever the client asked. 0: no.
  void set_page_size(int size);
  // Answers calls itself (subresources such as `token`, webhooks): nullopt leaves the call to the
  // store. `out` may be null.
  using Handler =
      std::function<std::optional<absl::Status>(const client::Call&, google::protobuf::Message*)>;
  void set_handler(Handler handler);

 private:
  struct State;
  struct Stream;
  std::shared_ptr<State> state_;
};

}  // namespace kubelet::test
