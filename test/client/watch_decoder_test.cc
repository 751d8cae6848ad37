#include "client/watch_decoder.h"

#include "catch.h"
#include "k8s/meta/v1/meta.pb.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/types.h"

using namespace kubelet;
using namespace kubelet::client;

namespace {

const auto* const kPod = &api::core::Pod::default_instance();

std::string Frame(Form form, const std::string& type, const google::protobuf::Message& object) {
  if (form == Form::kJson) {
    return "{\"type\":\"" + type + "\",\"object\":" + api::EncodeJson(object) + "}\n";
  }
  api::meta::WatchEvent event;
  event.set_type(type);
  event.mutable_object()->set_raw(api::EncodeProtobuf(object));
  std::string body = event.SerializeAsString(), out;
  for (int shift : {24, 16, 8, 0}) out += static_cast<char>(body.size() >> shift & 255);
  return out + body;
}

api::core::Pod Pod(const std::string& name) {
  api::core::Pod pod;
  pod.mutable_metadata()->set_name(name);
  return pod;
}

// What has come so far, as text; an error ends it.
std::string Drain(WatchDecoder& decoder) {
  std::string out;
  for (;;) {
    auto event = decoder.Next();
    if (!event.ok()) return out + "error " + std::to_string(event.status().raw_code());
    if (!*event) return out;
    const auto& pod = static_cast<const api::core::Pod&>(*(*event)->object);
    out += std::to_string(static_cast<int>((*event)->type)) + pod.metadata().name() + " ";
  }
}

}  // namespace

TEST_CASE("a watch stream decodes the same however it is cut") {
  for (Form form : {Form::kJson, Form::kProtobuf}) {
    CAPTURE(static_cast<int>(form));
    std::string bytes = Frame(form, "ADDED", Pod("a")) + Frame(form, "MODIFIED", Pod("b\"}{[\\")) +
                        Frame(form, "BOOKMARK", Pod("")) + Frame(form, "NEWTYPE", Pod("x")) +
                        Frame(form, "DELETED", Pod("c"));
    const std::string expected = "0a 1b\"}{[\\ 3 2c ";
    for (size_t cut = 0; cut <= bytes.size(); ++cut) {
      WatchDecoder decoder(form, kPod);
      decoder.Feed(bytes.substr(0, cut));
      std::string got = Drain(decoder);
      decoder.Feed(bytes.substr(cut));
      got += Drain(decoder);
      REQUIRE(got == expected);
      REQUIRE_FALSE(decoder.partial());
    }
    WatchDecoder by_byte(form, kPod);
    std::string got;
    for (char c : bytes) {
      by_byte.Feed(std::string_view(&c, 1));
      got += Drain(by_byte);
    }
    CHECK(got == expected);
  }
}

TEST_CASE("an event that has not ended is seen as such") {
  for (Form form : {Form::kJson, Form::kProtobuf}) {
    std::string bytes = Frame(form, "ADDED", Pod("a"));
    WatchDecoder decoder(form, kPod);
    CHECK_FALSE(decoder.partial());
    decoder.Feed(bytes + bytes.substr(0, bytes.size() - 3));
    CHECK(Drain(decoder) == "0a ");
    CHECK(decoder.partial());
  }
}

TEST_CASE("JSON events end where their value ends, newline or not") {
  WatchDecoder decoder(Form::kJson, kPod);
  decoder.Feed(
      "\r\n {\"type\":\"ADDED\",\n\"object\":{\"metadata\":{\"name\":\"a\"}}}"
      "{\"object\":{\"metadata\":{\"name\":\"b\"}},\"type\":\"DELETED\"}\n\n");
  CHECK(Drain(decoder) == "0a 2b ");
  CHECK_FALSE(decoder.partial());
}

TEST_CASE("an ERROR event is its status; 410 means list anew") {
  api::meta::Status status;
  status.set_code(410);
  status.set_reason("Expired");
  status.set_message("too old resource version");
  for (Form form : {Form::kJson, Form::kProtobuf}) {
    WatchDecoder decoder(form, kPod);
    decoder.Feed(Frame(form, "ERROR", status));
    auto event = decoder.Next();
    REQUIRE_FALSE(event.ok());
    CHECK(event.status().code() == absl::StatusCode::kOutOfRange);
    REQUIRE(ErrorOf(event.status()));
    CHECK(ErrorOf(event.status())->reason == "Expired");
  }
}

TEST_CASE("what is no watch stream is an error and not a wait for ever") {
  struct Row {
    Form form;
    std::string bytes;
  };
  for (const Row& row : {
           Row{Form::kJson, "hello"},
           Row{Form::kJson, "{\"type\":}"},
           Row{Form::kJson, "{\"type\":\"ADDED\",\"object\":[1]}"},
           Row{Form::kJson, "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Node\"}}"},
           Row{Form::kProtobuf, std::string("\xff\xff\xff\xff", 4)},
           Row{Form::kProtobuf, std::string("\0\0\0\2\xff\xff", 6)},
           Row{Form::kProtobuf, Frame(Form::kProtobuf, "ADDED", api::meta::Status())},
       }) {
    CAPTURE(row.bytes);
    WatchDecoder decoder(row.form, kPod);
    decoder.Feed(row.bytes);
    CHECK(Drain(decoder) == "error 14");
  }
  WatchDecoder small(Form::kJson, kPod, 100);
  small.Feed("{\"type\":\"" + std::string(200, 'x'));
  CHECK(Drain(small) == "error 14");
}
