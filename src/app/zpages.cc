#include "app/zpages.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <optional>
#include <vector>

namespace kubelet::app {
namespace {

constexpr char kText[] = "text/plain; charset=utf-8", kGroup[] = "config.k8s.io";
constexpr char kWarning[] =
    "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility "
    "guarantees and is for debugging purposes only.\n";

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (unsigned char c : text) {
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
    if (c < 0x20) {
      out += escaped;
    } else {
      out += (c == '"' || c == '\\' ? "\\" : "") + std::string(1, static_cast<char>(c));
    }
  }
  return out + "\"";
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find(separator, begin), text.size());
    size_t from = text.find_first_not_of(" \t", begin);
    std::string part = from < end ? text.substr(from, end - from) : "";
    while (!part.empty() && (part.back() == ' ' || part.back() == '\t')) part.pop_back();
    out.push_back(part);
    begin = end + 1;
  }
  return out;
}

struct Form {
  std::string type = kText;
  std::string version;  // empty: text
};

// The first that is wanted and can be had; nothing: none.
std::optional<Form> Negotiate(const std::string& accept, const std::string& kind) {
  if (accept.find_first_not_of(" \t") == std::string::npos) return Form();
  for (const auto& clause : Split(accept, ',')) {
    auto parts = Split(clause, ';');
    std::map<std::string, std::string> parameters;
    for (size_t i = 1; i < parts.size(); ++i) {
      size_t equals = parts[i].find('=');
      if (equals != std::string::npos)
        parameters[parts[i].substr(0, equals)] = parts[i].substr(equals + 1);
    }
    const std::string& type = parts[0];
    const std::string& version = parameters["v"];
    bool text = type == "text/plain" || type == "text/*" || type == "*/*";
    if (text && parameters["as"].empty()) return Form();
    bool structured = type == "application/json" || type == "application/yaml";
    bool known = parameters["as"] == kind && parameters["g"] == kGroup &&
                 (version == "v1beta1" || version == "v1alpha1");
    if (structured && known) return Form{type, version};
  }
  return std::nullopt;
}

server::Response NotAcceptable() {
  return {406, "application/json",
          R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":)"
          R"("only the following media types are accepted: application/json, application/yaml, )"
          R"(text/plain","reason":"NotAcceptable","code":406})"
          "\n"};
}

// JSON is YAML too.
server::Response Object(const Form& form, const std::string& kind, const std::string& fields) {
  server::Response out;
  out.content_type = form.type;
  out.body = "{\"kind\":\"" + kind + "\",\"apiVersion\":\"" + kGroup + "/" + form.version +
             "\",\"metadata\":{\"name\":\"kubelet\"}," + fields + "}\n";
  std::string page = kind == "Flagz" ? "flagz" : "statusz";
  if (form.version == "v1alpha1")
    out.headers.emplace_back("Warning",
                             "299 - \"This version of the " + page +
                                 " endpoint is deprecated. Please use a newer version.\"");
  return out;
}

// Those that Go's kubelet lists: what has no parameters.
constexpr const char* kPaths[] = {"/configz", "/debug", "/flagz", "/healthz", "/metrics"};

std::string UnixDate(base::WallTime time) {
  auto seconds = static_cast<time_t>(base::UnixNanos(time) / 1'000'000'000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  return std::string(text, strftime(text, sizeof text, "%a %b %e %H:%M:%S UTC %Y", &parts));
}

}  // namespace

server::Response Statusz(const ProcessStatus& status, const std::string& accept) {
  auto form = Negotiate(accept, "Statusz");
  if (!form) return NotAcceptable();
  auto up = std::max<int64_t>(
      0, std::chrono::duration_cast<std::chrono::seconds>(status.now - status.started).count());
  std::string version = status.version.substr(status.version.rfind('v', 0) == 0 ? 1 : 0);
  std::string emulated = version.substr(0, version.find('.', version.find('.') + 1));
  std::string list, array;
  for (const char* path : kPaths) {
    list += " " + std::string(path);
    array += (array.empty() ? "" : ",") + Quoted(path);
  }
  if (!form->version.empty()) {
    return Object(*form, "Statusz",
                  "\"startTime\":" + Quoted(base::Rfc3339(status.started)) +
                      ",\"uptimeSeconds\":" + std::to_string(up) + ",\"goVersion\":\"\"" +
                      ",\"binaryVersion\":" + Quoted(version) +
                      ",\"emulationVersion\":" + Quoted(emulated) + ",\"paths\":[" + array + "]");
  }
  char time[64];
  std::snprintf(time, sizeof time, "%ld hr %02ld min %02ld sec", static_cast<long>(up / 3600),
                static_cast<long>(up / 60 % 60), static_cast<long>(up % 60));
  return {200, kText,
          "\nkubelet statusz\n" + std::string(kWarning) + "\nStarted: " + UnixDate(status.started) +
              "\nUp: " + time + "\nGo version: none (" + status.toolchain + ")\nBinary version: " +
              version + "\nEmulation version: " + emulated + "\nPaths:" + list + "\n"};
}

server::Response Flagz(const std::map<std::string, std::string>& flags, const std::string& accept) {
  auto form = Negotiate(accept, "Flagz");
  if (!form) return NotAcceptable();
  std::string text = "\nkubelet flagz\n" + std::string(kWarning), fields;
  for (const auto& [name, value] : flags) {
    text += name + "=" + value + "\n";
    fields += (fields.empty() ? "" : ",") + Quoted(name) + ":" + Quoted(value);
  }
  if (form->version.empty()) return {200, kText, text};
  return Object(*form, "Flagz", "\"flags\":{" + fields + "}");
}

}  // namespace kubelet::app
