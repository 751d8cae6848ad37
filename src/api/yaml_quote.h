// How a string is written as a YAML scalar (the choices of libyaml's emitter). Pure functions;
// thread safe.
#pragma once

#include <string>

namespace kubelet::api {

// Plain where it reads back as the same string, else 'single' where quotes suffice, else "double".
// One line.
std::string YamlInlineString(const std::string& text);

// As YamlInlineString, but text with line breaks becomes a literal block (`|`) where one can hold
// it; its lines are indented by `indent` and it has no break at its end.
std::string YamlString(const std::string& text, size_t indent);

}  // namespace kubelet::api
