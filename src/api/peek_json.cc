#include "api/peek_json.h"

#include <boost/json/basic_parser_impl.hpp>

#include "api/json_sax.h"
#include "api/json_text.h"

namespace kubelet::api {
namespace {

struct PeekState {
  TypeMeta type_meta;
  absl::Status status;
};

class Peeker : public JsonSax<Peeker> {
 public:
  explicit Peeker(PeekState& state) : state_(state) {}
  bool Begin(bool object) {
    if (depth_ == 0 && !object) return Fail("expected an object, got array");
    if (field_ != nullptr && depth_ == 1) return Mistyped(object ? "object" : "array");
    ++depth_;
    return true;
  }
  bool End(bool) {
    --depth_;
    return true;
  }
  bool Key(std::string_view key) {
    if (depth_ != 1) return true;
    field_ = key == "kind"         ? &state_.type_meta.kind
             : key == "apiVersion" ? &state_.type_meta.api_version
                                   : nullptr;
    name_ = key;
    return true;
  }
  bool String(std::string_view value) {
    if (depth_ == 0) return Scalar("string");
    if (depth_ == 1 && field_ != nullptr) *field_ = value;
    return true;
  }
  bool Number(const JsonNumber&) { return Scalar("number"); }
  bool Bool(bool) { return Scalar("boolean"); }
  bool Null() { return depth_ > 0 || Scalar("null"); }

 private:
  bool Scalar(const char* type) {
    if (depth_ == 0) return Fail(std::string("expected an object, got ") + type);
    return depth_ > 1 || field_ == nullptr || Mistyped(type);
  }
  bool Mistyped(const char* type) { return Fail(name_ + ": expected a string, got " + type); }
  bool Fail(const std::string& what) {
    state_.status = absl::InvalidArgumentError(what);
    return false;
  }
  PeekState& state_;
  size_t depth_ = 0;
  std::string* field_ = nullptr;
  std::string name_;
};

bool Peek(std::string_view json, PeekState& state, std::string& error) {
  state = PeekState();
  return ParseJson<Peeker>(json, error, state);
}

}  // namespace

absl::StatusOr<TypeMeta> PeekJson(std::string_view json, bool& well_formed) {
  PeekState state;
  std::string error;
  well_formed = Peek(json, state, error);
  if (!well_formed && state.status.ok()) {
    if (std::optional<std::string> mended = MendUnicode(json)) {
      well_formed = Peek(*mended, state, error);
    }
  }
  if (!state.status.ok()) {
    well_formed = true;
    return state.status;
  }
  if (!well_formed) return absl::InvalidArgumentError("invalid JSON: " + error);
  return state.type_meta;
}

}  // namespace kubelet::api
