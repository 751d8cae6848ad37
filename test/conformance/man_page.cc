// The manual page out of the usage text, so that they cannot differ.
#include <sstream>

#include "conformance/options.h"

namespace kubelet::conformance {
namespace {

// Text as it stands: backslashes and hyphens as they are typed, no line that begins a request.
std::string Troff(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  bool request = !out.empty() && (out[0] == '.' || out[0] == '\'');
  return request ? "\\&" + out : out;
}

// `  --flag VALUE    what it does`
std::string Flag(const std::string& line) {
  size_t gap = line.find("  ", 2);
  if (gap == std::string::npos) gap = line.find(' ', line.find(' ', 2) + 1);
  size_t text = line.find_first_not_of(' ', gap);
  return ".TP\n.B " + Troff(line.substr(2, gap - 2)) + "\n" + Troff(line.substr(text)) + "\n";
}

}  // namespace

std::string ManPage() {
  std::string synopsis, about, flags, exit_codes;
  std::istringstream in(Usage());
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("  --", 0) == 0) {
      flags += Flag(line);
    } else if (line.rfind("usage: ", 0) == 0 || line.rfind("       ", 0) == 0) {
      synopsis += Troff(line.substr(7)) + "\n";
    } else if (line.rfind("Exit code: ", 0) == 0 || !exit_codes.empty()) {
      exit_codes += Troff(line) + "\n";
    } else if (!line.empty()) {
      about += Troff(line) + "\n";
    }
  }
  return ".TH KUBELET\\-CONFORMANCE 8 \"\" \"kubelet\" \"Kubernetes node\"\n.ad l\n.SH NAME\n"
         "kubelet\\-conformance \\- does a kubelet do what Kubernetes asks of a node?\n"
         ".SH SYNOPSIS\n.nf\n" +
         synopsis + ".fi\n.SH DESCRIPTION\n" + about +
         ".PP\nCases, conditions and what is known of other kubelets:\n"
         ".IR /usr/share/doc/kubelet/conformance.md .\n.SH OPTIONS\n" +
         flags + ".SH EXIT STATUS\n" + exit_codes + ".SH SEE ALSO\n.BR kubelet (1)\n";
}

}  // namespace kubelet::conformance
