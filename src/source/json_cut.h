// Cuts values out of JSON text without decoding it: to judge the items of a list one by one, and to
// name the pod of a manifest that does not decode. Pure; total: ill-formed text yields nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kubelet::source {

// The value of `key` in the object `object`, as text.
std::optional<std::string_view> JsonMember(std::string_view object, std::string_view key);
// The members of an object in their order, keys without their quotes and with their escapes;
// nullopt when it is not a well-nested object.
std::optional<std::vector<std::pair<std::string_view, std::string_view>>> JsonMembers(
    std::string_view object);
// The elements of an array, as text; nullopt when it is not a well-nested array.
std::optional<std::vector<std::string_view>> JsonElements(std::string_view array);
// The content of a string without escapes; empty for anything else.
std::string JsonPlainString(std::string_view value);

// How many documents of a YAML stream have content; comments and markers do not count.
int CountYamlDocuments(std::string_view text);
// Those documents as they stand, each a stream of its own.
std::vector<std::string> YamlDocuments(std::string_view text);

}  // namespace kubelet::source
