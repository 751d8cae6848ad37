// The events of a watch out of its bytes, in whatever pieces they come. Pure.
//
// Facts: schema "wire envelope", "Watch stream": protobuf frames with a 4-byte length and a bare
// WatchEvent; JSON values one after another, told apart by where a value ends.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "client/body.h"
#include "kubelet/client/api.h"

namespace kubelet::client {

class WatchDecoder {
 public:
  // `prototype` makes the objects and outlives the decoder. `limit`: bytes of one event.
  WatchDecoder(Form form, const google::protobuf::Message* prototype, size_t limit = kBodyLimit);

  void Feed(std::string_view bytes);
  // The next whole event; nullopt: more bytes are needed. An ERROR event is its status (410:
  // OutOfRange with ErrorOf). Unavailable: not a watch stream. After an error nothing comes any
  // more. Events of unknown types are left out.
  absl::StatusOr<std::optional<WatchEvent>> Next();
  // Bytes of an unfinished event are waiting: a stream that ends here was cut off.
  bool partial() const;

 private:
  // Length of the first event in the buffer, its frame header included; 0: not whole yet.
  absl::StatusOr<size_t> FindProtobuf() const;
  absl::StatusOr<size_t> FindJson();
  absl::StatusOr<std::optional<WatchEvent>> Decode(std::string_view event) const;

  Form form_;
  const google::protobuf::Message* prototype_;
  size_t limit_;
  std::string buffer_;
  size_t begin_ = 0;  // what is before was decoded
  // Where the search for the end of a JSON value stands.
  size_t scanned_ = 0;
  int depth_ = 0;
  bool in_string_ = false, escaped_ = false;
};

}  // namespace kubelet::client
