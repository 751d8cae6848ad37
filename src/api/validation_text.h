// The formats of names and other texts. Each function answers what is wrong, one sentence per
// problem; an empty answer means well-formed. Internal to the room. (apimachinery util/validation,
// api/validate/content)
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kubelet::api {

using Problems = std::vector<std::string>;

Problems DnsLabelProblems(std::string_view text);      // RFC 1123 label, at most 63
Problems DnsSubdomainProblems(std::string_view text);  // labels joined by dots, at most 253
// Labels may also hold `_` after the first letter, and begin with one `_`.
Problems DnsSearchProblems(std::string_view text);
// [prefix/]name: label keys, annotation keys (lower-cased first), resource names, finalizers.
Problems QualifiedNameProblems(std::string_view text);
Problems LabelValueProblems(std::string_view text);
Problems PortNameProblems(std::string_view text);   // service names of RFC 6335
Problems EnvNameProblems(std::string_view text);    // printable ASCII without `=`
Problems ConfigKeyProblems(std::string_view text);  // keys of config maps and secrets
Problems HeaderNameProblems(std::string_view text);
Problems IpProblems(const std::string& text);          // strict: no leading zeros, not v4 in v6
Problems SignerNameProblems(const std::string& text);  // domain/path of certificate signers

bool IsSysctlName(std::string_view text);  // segments joined by `.` or `/`
// Any segment between slashes is `..`.
bool HasBackstep(std::string_view path);

std::string Lower(std::string text);
std::vector<std::string> Split(std::string_view text, char separator);
inline bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

}  // namespace kubelet::api
