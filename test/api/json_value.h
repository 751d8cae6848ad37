// Comparing JSON texts by value, apart from the codec under test.
#pragma once

#include <boost/json.hpp>
#include <string>

namespace kubelet::api::test {

inline boost::json::value ParseValue(const std::string& text) {
  boost::json::parse_options options;
  options.max_depth = 2000;
  return boost::json::parse(text, {}, options);
}

}  // namespace kubelet::api::test
