#include "client/body.h"

#include <zlib.h>

#include "catch.h"
#include "k8s/meta/v1/meta.pb.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/types.h"

using namespace kubelet;
using namespace kubelet::client;
using namespace std::chrono_literals;

namespace {

std::string Gzip(const std::string& text) {
  z_stream z{};
  deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, text.size()) + 32, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

ResponseHead Head(int status, Headers headers) {
  ResponseHead head;
  head.status = status;
  head.headers = std::move(headers);
  return head;
}

}  // namespace

TEST_CASE("the media type tells the form, whatever its parameters") {
  CHECK(FormOf("application/json") == Form::kJson);
  CHECK(FormOf("application/json; charset=utf-8") == Form::kJson);
  CHECK(FormOf("Application/JSON ;x=y") == Form::kJson);
  CHECK(FormOf("") == Form::kJson);
  CHECK(FormOf("application/vnd.kubernetes.protobuf") == Form::kProtobuf);
  CHECK(FormOf("application/vnd.kubernetes.protobuf;stream=watch") == Form::kProtobuf);
  CHECK(FormOf("text/html") == Form::kOther);
}

TEST_CASE("objects go through both forms") {
  api::core::Pod pod, back;
  pod.mutable_metadata()->set_name("web");
  for (bool protobuf : {true, false}) {
    CAPTURE(protobuf);
    auto body = EncodeBody(pod, protobuf);
    REQUIRE(DecodeBody(protobuf ? Form::kProtobuf : Form::kJson, body, back).ok());
    CHECK(back.metadata().name() == "web");
    CHECK(DecodeBody(protobuf ? Form::kJson : Form::kProtobuf, body, back).code() ==
          absl::StatusCode::kUnavailable);
  }
  CHECK(DecodeBody(Form::kOther, "<html>", back).code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("an error is the Status of the answer, in either form") {
  api::meta::Status status;
  status.set_status("Failure");
  status.set_code(409);
  status.set_reason("AlreadyExists");
  status.set_message("pods \"a\" already exists");
  status.mutable_details()->set_retry_after_seconds(3);
  for (bool protobuf : {true, false}) {
    CAPTURE(protobuf);
    auto head = Head(409, {{"content-type", protobuf ? kProtobufType : kJsonType}});
    auto error = ErrorFromAnswer(head, EncodeBody(status, protobuf));
    CHECK(error.code() == absl::StatusCode::kAlreadyExists);
    REQUIRE(ErrorOf(error));
    CHECK(ErrorOf(error)->reason == "AlreadyExists");
    CHECK(ErrorOf(error)->message == "pods \"a\" already exists");
    CHECK(ErrorOf(error)->retry_after == base::Nanos(3s));
  }
}

TEST_CASE("an error without a Status is its code and its text") {
  auto error = ErrorFromAnswer(Head(503, {{"content-type", "text/plain"}, {"retry-after", "7"}}),
                               "apiserver not ready\n");
  CHECK(error.code() == absl::StatusCode::kUnavailable);
  CHECK(ErrorOf(error)->message == "apiserver not ready");
  CHECK(ErrorOf(error)->retry_after == base::Nanos(7s));
  CHECK(ErrorFromAnswer(Head(403, {{"content-type", "application/json"}}), "{broken").code() ==
        absl::StatusCode::kPermissionDenied);
  CHECK_FALSE(RetryAfter(Head(503, {{"retry-after", "Fri, 31 Dec 1999 23:59:59 GMT"}})));
  CHECK_FALSE(RetryAfter(Head(503, {{"retry-after", "-1"}})));
  CHECK_FALSE(RetryAfter(Head(503, {})));
}

TEST_CASE("a gzip body is unpacked however it is cut") {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i * 7919) + ",";
  auto packed = Gzip(text);
  for (size_t step : {size_t{1}, size_t{7}, size_t{1000}, packed.size()}) {
    CAPTURE(step);
    BodyReader reader(true);
    for (size_t i = 0; i < packed.size(); i += step) {
      REQUIRE(reader.Add(std::string_view(packed).substr(i, step)).ok());
    }
    REQUIRE(reader.End().ok());
    CHECK(reader.Take() == text);
  }
  BodyReader cut(true);
  REQUIRE(cut.Add(std::string_view(packed).substr(0, packed.size() / 2)).ok());
  CHECK(cut.End().code() == absl::StatusCode::kUnavailable);
  BodyReader damaged(true);
  CHECK(damaged.Add("this is no gzip").code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("a body over the limit is refused, packed or not") {
  std::string text(100'000, 'x');
  BodyReader plain(false, 99'999), exact(false, 100'000), packed(true, 99'999);
  CHECK(plain.Add(text).code() == absl::StatusCode::kResourceExhausted);
  CHECK(exact.Add(text).ok());
  CHECK(packed.Add(Gzip(text)).code() == absl::StatusCode::kResourceExhausted);
}
