// The API server as the rest of the kubelet sees it: calls and watches of objects, no HTTP.
//
// The port behind which the real client (HttpApi) and the tests' in-memory server stand. Core loop
// only.
#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/client/resource.h"

namespace kubelet::client {

using MessagePtr = std::shared_ptr<const google::protobuf::Message>;

// What the API server said no with (a meta.v1.Status, or a bare HTTP code). Attached to the
// absl::Status.
struct ApiError {
  int code = 0;        // HTTP: 404
  std::string reason;  // `NotFound`, `AlreadyExists`, `Conflict`, `Expired`, ...; may be empty
  std::string message;
  std::optional<base::Nanos> retry_after;
};
// The code says what the caller does: NotFound 404; AlreadyExists and Aborted (recompute) the two
// kinds of 409; Unauthenticated 401; PermissionDenied 403; OutOfRange 410 (list anew);
// InvalidArgument 400, 406, 413, 415, 422; ResourceExhausted 429; Unavailable 5xx and everything
// below HTTP; DeadlineExceeded when the call's time is over.
absl::Status ToStatus(const ApiError& error);
// The server's answer inside a status; nullopt when the server did not answer at all.
std::optional<ApiError> ErrorOf(const absl::Status& status);

// Unavailable, since the server was silent too long on a connection: it did not answer a ping. The
// next try may well take its time to find out the same.
absl::Status SilenceError(const std::string& message);
bool IsSilence(const absl::Status& status);

// Who waits for whom when the client limits its rate. Heartbeats and statuses of the node are never
// held back.
enum class Lane { kNormal, kHeartbeat, kEvents };

struct Call {
  enum class Verb { kGet, kList, kCreate, kUpdate, kPatch, kDelete };
  Verb verb = Verb::kGet;
  ObjectPath path;
  std::vector<std::pair<std::string, std::string>> query;  // not encoded
  // kCreate, kUpdate: the object. kDelete: meta.v1.DeleteOptions, or null.
  MessagePtr body;
  // kPatch: JSON text and its media type.
  std::string patch;
  std::string patch_type = "application/strategic-merge-patch+json";
  Lane lane = Lane::kNormal;
  base::Nanos timeout =
      std::chrono::seconds(30);  // of the whole call, waiting and retries included
  // Waits and asks again when the server says so (429 and 5xx with Retry-After), and once when a
  // connection broke before the request was sent. Off: the caller has a loop of its own.
  bool retry = true;
};

struct WatchEvent {
  enum class Type { kAdded, kModified, kDeleted, kBookmark };
  Type type = Type::kAdded;
  std::shared_ptr<google::protobuf::Message> object;
};

// One open watch. Destroying it closes the stream.
class WatchStream {
 public:
  virtual ~WatchStream() = default;
  // The next event. OutOfRange: the server closed the watch in good order (watch again from the
  // last resourceVersion), or its ERROR event said 410 (ErrorOf is set: list anew). Unavailable:
  // the connection broke or fell silent.
  virtual base::Task<absl::StatusOr<WatchEvent>> Next() = 0;
};

class Api {
 public:
  virtual ~Api() = default;
  // `out` receives the object of the answer and may be null; it has to live until the call returns.
  virtual base::Task<absl::Status> Do(Call call, google::protobuf::Message* out) = 0;
  // Opens a watch on a collection; `query` as for a list (`watch=true` is added). `prototype` makes
  // the objects; it outlives the stream (a default instance).
  virtual base::Task<absl::StatusOr<std::unique_ptr<WatchStream>>> Watch(
      ObjectPath path, std::vector<std::pair<std::string, std::string>> query,
      const google::protobuf::Message* prototype) = 0;
};

}  // namespace kubelet::client
