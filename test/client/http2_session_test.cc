// The HTTP/2 state machine against nghttp2's server side: bytes are handed over by hand.
#include <nghttp2/nghttp2.h>

#include <list>
#include <vector>

#include "catch.h"
#include "client/http2.h"

using namespace kubelet::client;

namespace {

struct Sink : StreamSink {
  void OnHead(ResponseHead h) override { head = std::move(h); }
  void OnData(std::string_view bytes) override { data += bytes; }
  void OnEnd() override { ++ends; }
  void OnFailure(Failure f) override { failures.push_back(std::move(f)); }
  ResponseHead head;
  std::string data;
  int ends = 0;
  std::vector<Failure> failures;
};

// A server that notes requests and answers only when told.
struct Peer {
  explicit Peer(uint32_t max_streams = 100) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
    nghttp2_session_server_new(&session, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, max_streams}};
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 1);
  }
  ~Peer() { nghttp2_session_del(session); }
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto* self = static_cast<Peer*>(user);
    if (frame->hd.type == NGHTTP2_HEADERS) self->streams.push_back(frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_RST_STREAM) self->resets.push_back(frame->hd.stream_id);
    return 0;
  }
  void Answer(int32_t id, std::string body) {
    bodies.push_back(std::move(body));
    nghttp2_nv status{const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(":status")),
                      const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>("200")), 7, 3, 0};
    nghttp2_data_provider provider{};
    provider.source.ptr = &bodies.back();
    provider.read_callback = [](nghttp2_session*, int32_t, uint8_t* out, size_t length,
                                uint32_t* flags, nghttp2_data_source* source, void*) -> ssize_t {
      auto& left = *static_cast<std::string*>(source->ptr);
      size_t n = std::min(length, left.size());
      std::copy(left.begin(), left.begin() + static_cast<ptrdiff_t>(n), out);
      left.erase(0, n);
      if (left.empty()) *flags |= NGHTTP2_DATA_FLAG_EOF;
      return static_cast<ssize_t>(n);
    };
    nghttp2_submit_response(session, id, &status, 1, &provider);
  }
  // Both directions until nothing moves.
  void Exchange(Session& client) {
    for (bool moved = true; moved;) {
      std::string bytes = client.Send();
      moved = !bytes.empty();
      nghttp2_session_mem_recv(session, reinterpret_cast<const uint8_t*>(bytes.data()),
                               bytes.size());
      const uint8_t* out = nullptr;
      for (ssize_t n; (n = nghttp2_session_mem_send(session, &out)) > 0; moved = true) {
        REQUIRE(client.Receive({reinterpret_cast<const char*>(out), static_cast<size_t>(n)}).ok());
      }
    }
  }
  nghttp2_session* session = nullptr;
  std::vector<int32_t> streams, resets;
  std::list<std::string> bodies;
};

Request Get() {
  Request request;
  request.method = "GET";
  request.target = "/x";
  return request;
}

}  // namespace

TEST_CASE("HTTP/2: a stream's window is given back as its reader takes, and no sooner") {
  Peer peer;
  auto client = MakeHttp2Session("h", true);
  Sink slow, quick;
  auto slow_id = client->Open(Get(), &slow);
  client->Open(Get(), &quick);
  peer.Exchange(*client);
  REQUIRE(peer.streams.size() == 2);
  peer.Answer(peer.streams[0], std::string(3 * kStreamWindow, 's'));
  peer.Exchange(*client);
  CHECK(slow.data.size() == kStreamWindow);
  // One that reads nothing does not stand in the way of others.
  peer.Answer(peer.streams[1], std::string(kStreamWindow, 'q'));
  peer.Exchange(*client);
  CHECK(quick.data.size() == kStreamWindow);
  CHECK(quick.ends == 1);
  client->Consumed(slow_id, kStreamWindow);
  peer.Exchange(*client);
  CHECK(slow.data.size() == 2 * kStreamWindow);
  client->Consumed(slow_id, kStreamWindow);
  peer.Exchange(*client);
  CHECK(slow.data.size() == 3 * kStreamWindow);
  CHECK(slow.ends == 1);
  CHECK(client->open_streams() == 0);
}

TEST_CASE("HTTP/2: no more streams are opened than the server takes") {
  Peer peer(1);
  auto client = MakeHttp2Session("h", true);
  peer.Exchange(*client);
  Sink first, second;
  CHECK(client->CanOpen());
  client->Open(Get(), &first);
  CHECK_FALSE(client->CanOpen());
  peer.Exchange(*client);
  peer.Answer(peer.streams[0], "done");
  peer.Exchange(*client);
  CHECK(first.ends == 1);
  CHECK(client->CanOpen());
}

TEST_CASE("HTTP/2: what had not left when the connection broke was not processed") {
  auto client = MakeHttp2Session("h", true);
  Peer peer;
  Sink sent, unsent;
  client->Open(Get(), &sent);
  peer.Exchange(*client);
  client->Open(Get(), &unsent);
  client->Fail(absl::UnavailableError("cut"));
  REQUIRE(sent.failures.size() == 1);
  CHECK(sent.failures[0].processed);
  REQUIRE(unsent.failures.size() == 1);
  CHECK_FALSE(unsent.failures[0].processed);
  CHECK_FALSE(client->CanOpen());
}

TEST_CASE("HTTP/2: GOAWAY fails what the server will not do, and lets the rest run out") {
  Peer peer;
  auto client = MakeHttp2Session("h", true);
  Sink kept, dropped;
  client->Open(Get(), &kept);
  peer.Exchange(*client);
  client->Open(Get(), &dropped);
  client->Send();  // lost on the way
  nghttp2_submit_goaway(peer.session, 0, peer.streams[0], NGHTTP2_NO_ERROR, nullptr, 0);
  const uint8_t* out = nullptr;
  ssize_t n = nghttp2_session_mem_send(peer.session, &out);
  REQUIRE(client->Receive({reinterpret_cast<const char*>(out), static_cast<size_t>(n)}).ok());
  REQUIRE(dropped.failures.size() == 1);
  CHECK_FALSE(dropped.failures[0].processed);
  CHECK(dropped.failures[0].refused);
  CHECK(client->draining());
  CHECK_FALSE(client->CanOpen());
  peer.Answer(peer.streams[0], "whole");
  n = nghttp2_session_mem_send(peer.session, &out);
  while (n > 0) {
    REQUIRE(client->Receive({reinterpret_cast<const char*>(out), static_cast<size_t>(n)}).ok());
    n = nghttp2_session_mem_send(peer.session, &out);
  }
  CHECK(kept.data == "whole");
  CHECK(kept.ends == 1);
  CHECK(client->open_streams() == 0);
}

TEST_CASE("HTTP/2: a reader that leaves resets its stream and hears no more, sent or not") {
  Peer peer;
  auto client = MakeHttp2Session("h", true);
  Sink sink, early;
  auto id = client->Open(Get(), &sink);
  peer.Exchange(*client);
  client->Close(id);
  client->Close(id);
  peer.Answer(peer.streams[0], "late");
  peer.Exchange(*client);
  CHECK(sink.data.empty());
  CHECK(sink.failures.empty());
  CHECK(peer.resets == std::vector<int32_t>{peer.streams[0]});
  auto early_id = client->Open(Get(), &early);
  client->Close(early_id);
  peer.Exchange(*client);
  CHECK(client->open_streams() == 0);
  CHECK(early.failures.empty());
}

TEST_CASE("HTTP/2: bytes that are none break the connection") {
  auto client = MakeHttp2Session("h", true);
  Sink sink;
  client->Open(Get(), &sink);
  client->Send();
  bool broken = !client->Receive("HTTP/1.1 400 Bad Request\r\n\r\nand some more text").ok();
  client->Send();
  broken = broken || !client->Receive("more").ok();
  CHECK(broken);
}
