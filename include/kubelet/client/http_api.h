// The real client: one multiplexed HTTP/2 connection over TLS (HTTP/1.1 where the other side offers
// no more). Core loop only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/clock.h"
#include "kubelet/base/metrics.h"
#include "kubelet/client/api.h"
#include "kubelet/client/credentials.h"

namespace kubelet::client {

struct HttpApiOptions {
  std::string user_agent;
  bool protobuf = true;  // contentType; false: JSON in both directions
  double qps = 50;       // kubeAPIQPS, per lane and for watches; not heartbeats. Negative: no limit
  int burst = 100;
  double event_qps = 50;  // eventRecordQPS; 0: no limit
  int event_burst = 100;
  // A connection that was silent for ping_after is pinged, and given up when no answer comes in
  // ping_timeout: a dead peer is noticed within 25 s.
  base::Nanos ping_after = std::chrono::seconds(10);
  base::Nanos ping_timeout = std::chrono::seconds(15);
  // HTTP/1.1 has no pings. While a watch over it is silent for ping_after and nothing else is heard
  // of the server, /livez is asked for over another connection, and silent watches end when no
  // answer of any kind comes in ping_timeout. For a watch whose own connection is dead while others
  // live there is this: it is ended when it brings nothing for so long. Bookmarks come about every
  // minute.
  base::Nanos watch_silence = std::chrono::seconds(90);
  base::Nanos dial_timeout = std::chrono::seconds(10);
  bool http2 = true;  // false: HTTP/1.1 only (upstream: the environment's DISABLE_HTTP2)
};

class HttpApi : public Api {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;  // name lookups, CA file reads
    Credentials& credentials;
    base::Registry* metrics = nullptr;
  };
  HttpApi(Deps deps, ClientConfig config, HttpApiOptions options);
  ~HttpApi() override;

  base::Task<absl::Status> Do(Call call, google::protobuf::Message* out) override;
  base::Task<absl::StatusOr<std::unique_ptr<WatchStream>>> Watch(
      ObjectPath path, std::vector<std::pair<std::string, std::string>> query,
      const google::protobuf::Message* prototype) override;

  // Closes every connection; requests in flight end with Unavailable. The next one dials anew.
  void CloseConnections();
  // For when a heartbeat is not answered: closes the connections that carry nothing, or have a ping
  // that is not answered; a watch on one that lives goes on. With `http2` off all are closed.
  void CloseStaleConnections();
  // Time of the last answer of any kind from the server; nullopt: never. For "is it reachable".
  std::optional<base::MonoTime> last_answer() const;

 private:
  struct State;
  static base::Task<absl::Status> DoCall(std::shared_ptr<State> state, Call call,
                                         google::protobuf::Message* out);
  static base::Task<absl::StatusOr<std::unique_ptr<WatchStream>>> OpenWatch(
      std::shared_ptr<State> state, Call call, const google::protobuf::Message* prototype);
  std::shared_ptr<State> state_;
};

}  // namespace kubelet::client
