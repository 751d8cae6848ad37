// Boost.JSON's event parser with its events in whole pieces: strings and numbers that arrive in
// parts are put together here. Needs no recursion and no memory for values; depth is capped.
#pragma once

#include <boost/json/basic_parser.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace kubelet::api {

// Deeper documents are refused; no Kubernetes type nests deeper than some thirty levels.
inline constexpr size_t kMaxJsonDepth = 1000;

struct JsonNumber {
  enum class Kind {
    kInt64,
    kUint64,
    kOther
  };  // kOther: has a fraction or exponent, or is too large
  Kind kind = Kind::kOther;
  int64_t i = 0;
  uint64_t u = 0;
  std::string_view text;  // valid during the call
};

// Base of a handler `H` with: bool Begin(bool object), End(bool object), Key(view), String(view),
// Number(const JsonNumber&), Bool(bool), Null(). False stops the parse. Views are valid during the
// call.
template <typename H>
class JsonSax {
  using Code = boost::json::error_code;
  using View = boost::json::string_view;

 public:
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code& ec) { return Go(self().Begin(true), ec); }
  bool on_object_end(std::size_t, Code& ec) { return Go(self().End(true), ec); }
  bool on_array_begin(Code& ec) { return Go(self().Begin(false), ec); }
  bool on_array_end(std::size_t, Code& ec) { return Go(self().End(false), ec); }
  bool on_key_part(View part, std::size_t, Code&) { return Part(part); }
  bool on_key(View rest, std::size_t, Code& ec) {
    return Go(self().Key(Whole(rest)), ec) && Done();
  }
  bool on_string_part(View part, std::size_t, Code&) { return Part(part); }
  bool on_string(View rest, std::size_t, Code& ec) {
    return Go(self().String(Whole(rest)), ec) && Done();
  }
  bool on_number_part(View part, Code&) { return Part(part); }
  bool on_int64(int64_t i, View rest, Code& ec) {
    return OnNumber({JsonNumber::Kind::kInt64, i, 0, Whole(rest)}, ec);
  }
  bool on_uint64(uint64_t u, View rest, Code& ec) {
    return OnNumber({JsonNumber::Kind::kUint64, 0, u, Whole(rest)}, ec);
  }
  bool on_double(double, View rest, Code& ec) {
    return OnNumber({JsonNumber::Kind::kOther, 0, 0, Whole(rest)}, ec);
  }
  bool on_bool(bool value, Code& ec) { return Go(self().Bool(value), ec); }
  bool on_null(Code& ec) { return Go(self().Null(), ec); }
  bool on_comment_part(View, Code&) { return true; }
  bool on_comment(View, Code&) { return true; }

 private:
  H& self() { return static_cast<H&>(*this); }
  bool Go(bool ok, Code& ec) {
    if (!ok) ec = boost::json::error::incomplete;
    return ok;
  }
  bool OnNumber(const JsonNumber& number, Code& ec) {
    return Go(self().Number(number), ec) && Done();
  }
  bool Part(View part) {
    parts_.append(part.data(), part.size());
    return true;
  }
  std::string_view Whole(View rest) {
    if (parts_.empty()) return {rest.data(), rest.size()};
    parts_.append(rest.data(), rest.size());
    return parts_;
  }
  bool Done() {
    parts_.clear();
    return true;
  }
  std::string parts_;
};

// Runs handler H(args...) over the one JSON value in `json`. On failure `error` says what is wrong
// with the text and at which line, unless the handler itself stopped. Needs
// boost/json/basic_parser_impl.hpp.
template <typename H, typename... Args>
bool ParseJson(std::string_view json, std::string& error, Args&&... args) {
  boost::json::parse_options options;
  options.max_depth = kMaxJsonDepth;
  boost::json::basic_parser<H> parser(options, std::forward<Args>(args)...);
  boost::json::error_code ec;
  std::size_t used = parser.write_some(false, json.data(), json.size(), ec);
  if (!ec && used < json.size()) ec = boost::json::error::extra_data;
  if (!ec) return true;
  size_t line = 1;
  for (char c : json.substr(0, used)) line += c == '\n';
  error = "line " + std::to_string(line) + ": " + ec.message();
  return false;
}

}  // namespace kubelet::api
