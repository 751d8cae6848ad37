// Manual pages out of the tables. troff: see man-pages(7) and groff_man(7).
#include "config/flag_table.h"
#include "config/help.h"
#include "kubelet/config/flags.h"
#include "kubelet/config/reference.h"

namespace kubelet::config {
namespace {

// Text of a line: backslashes and hyphens as they are typed, no line that starts with a request.
std::string Troff(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '~') {
      out += "\\(ti";
    } else if (c == '^') {
      out += "\\(ha";
    } else {
      out += c;
    }
  }
  if (!out.empty() && (out[0] == '.' || out[0] == '\'')) out.insert(0, "\\&");
  return out;
}

std::string Header(const std::string& name, const char* section) {
  return ".\\\" Made by `kubelet docs`; do not edit.\n.TH " + name + " " + section +
         " \"\" \"kubelet " + OwnVersion() + "\" \"Kubernetes node\"\n.ad l\n";
}

constexpr char kAbout[] = R"(.SH NAME
kubelet \- the node agent of Kubernetes
.SH SYNOPSIS
.B kubelet
.RI [ flags ]
.br
.B kubelet pods
.RB [ \-o
.BR json ]
.br
.B kubelet explain
.RI [ pod ]
.br
.B kubelet validate
.IR file ...
.br
.B kubelet config check
.IR file ...
.br
.B kubelet config status
.br
.B kubelet completion
.BR bash | zsh | fish
.SH DESCRIPTION
.B kubelet
runs the pods of its node: those that the API server of a cluster assigns to it, and static pods from files or a URL.
It speaks CRI to a container runtime such as containerd or CRI\-O. It takes the flags and the configuration of the
kubelet of Kubernetes and stands in its place.
.PP
Nearly all settings belong into a configuration file, see
.BR kubelet\-config (5);
most flags are deprecated in its favour. Flags win over
.BR \-\-config\-dir ,
which wins over
.BR \-\-config .
.PP
When it ends, pods run on; the next start takes them up as they are.
.SH COMMANDS
.TP
.B pods
The pods of this node and what each is doing.
.TP
.BI explain " [pod]"
For a pod, or for all: the step it is at, since when, its last error and the next retry; and manifests with problems.
.TP
.BI validate " file..."
Every problem of pod manifests, before they are put into the directory.
.TP
.BI "config check" " file..."
Every problem of configuration files.
.TP
.B "config status"
What came of reading the configuration again.
.TP
.BI completion " shell"
A completion script for the shell.
.PP
.BR pods ", " explain " and " "config status"
ask the running kubelet through a socket below
.B \-\-root\-dir
(default
.IR /var/lib/kubelet )
and are for root.
.SH OPTIONS
)";

constexpr char kAfterOptions[] = R"(.SH EXIT STATUS
0 after SIGTERM or SIGINT, and for a command that succeeded; 1 when the configuration cannot work or the machine refuses it;
2 for a command that is used wrongly. Pods run on in every case.
.SH SIGNALS
SIGTERM and SIGINT end the kubelet; the second one at once, with status 1. SIGHUP reads the configuration files again, as a
change of them does; what can change while the kubelet runs is taken over, and the log names what needs a restart.
.SH ENVIRONMENT
.TP
.BR NOTIFY_SOCKET ", " WATCHDOG_USEC ", " WATCHDOG_PID
Set by
.BR systemd (1).
The kubelet tells when it is ready, and feeds the watchdog from its main loop. A watchdog of a second or less is an error.
.TP
.BR HTTPS_PROXY ", " HTTP_PROXY ", " NO_PROXY
Proxies to the API server and to the URL of manifests.
.SH FILES
.TP
.I /var/lib/kubelet/config.yaml
The configuration that kubeadm writes, see
.BR kubelet\-config (5).
.TP
.I /var/lib/kubelet/kubeadm\-flags.env
Flags that kubeadm writes, for the service.
.TP
.I /etc/default/kubelet
.B KUBELET_EXTRA_ARGS
for the service: flags that win over all others.
.TP
.I /etc/kubernetes/kubelet.conf
The kubeconfig of the node;
.I bootstrap\-kubelet.conf
beside it is used once, to get it.
.TP
.I /etc/kubernetes/manifests
Static pods of a control plane made by kubeadm.
.TP
.I /var/lib/kubelet
State: certificates, volumes of pods, checkpoints.
.TP
.IR /var/log/pods ", " /var/log/containers
Logs of containers.
.SH SEE ALSO
.BR kubelet\-config (5),
.BR systemd.service (5),
.BR crictl (1)
)";

constexpr char kConfigAbout[] = R"(.SH NAME
kubelet\-config \- configuration file of the kubelet
.SH DESCRIPTION
The file named by
.B kubelet \-\-config
is YAML or JSON: an object of kind
.B KubeletConfiguration
and version
.BR kubelet.config.k8s.io/v1beta1 .
Fields that are left out have their defaults. Relative paths count from the folder of the file.
.PP
.B \-\-config\-dir
names a folder of drop\-ins: every file below it that ends in
.I .conf
is merged in, in the order of their names, as a JSON merge patch. Each has to name its kind and version. Lists are replaced
as a whole; null takes a field back to its default.
.PP
.B kubelet config check
.I file
tells every problem of such a file.
.PP
A field marked
.I accepted
is read and checked but has no effect (or not its full one); one marked
.I refused
ends the start when it is set to anything but its default.
.SH EXAMPLE
.nf
.RS
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
staticPodPath: /etc/kubernetes/manifests
cgroupDriver: systemd
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
authentication:
  x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}
rotateCertificates: true
.RE
.fi
.SH FIELDS
)";

constexpr char kConfigEnd[] = R"(.SH SEE ALSO
.BR kubelet (1)
)";

std::string State(const ReferenceRow& row) {
  return row.support == Support::kWorks ? "" : std::string(" (") + SupportName(row.support) + ")";
}

std::string FlagEntry(const ReferenceRow& row) {
  std::string name = row.name.substr(2);
  const FlagSpec* spec = FindFlag(name);
  std::string out = ".TP\n.B ";
  if (spec->shorthand != 0) out += std::string("\\-") + spec->shorthand + ", ";
  out += "\\-\\-" + Troff(name);
  bool alone = row.kind == "bool" || spec->type == FlagType::kVersion;
  out += (alone ? "" : " \\fI" + Troff(row.kind) + "\\fR") + State(row) + "\n";
  out += Troff(row.remark + ".") + "\n";
  if (!row.default_text.empty()) out += Troff("Default: " + row.default_text + ".") + "\n";
  if (!row.other.empty()) out += Troff("Deprecated; field " + row.other + ".") + "\n";
  return out;
}

}  // namespace

std::string ManPage() {
  std::string out = Header("KUBELET", "1") + kAbout;
  auto rows = FlagRows();
  for (const auto& title : FlagGroupTitles()) {
    out += std::string(".SS ") + title.title + "\n";
    for (const auto& row : rows) {
      if (row.group == title.title) out += FlagEntry(row);
    }
  }
  return out + kAfterOptions;
}

std::string ConfigManPage() {
  std::string out = Header("KUBELET\\-CONFIG", "5") + kConfigAbout;
  for (const auto& row : FieldRows()) {
    out += ".TP\n.B " + Troff(row.name) + " \\fR(" + Troff(row.kind) + ")" + State(row) + "\n";
    out += Troff(row.remark + ".") + "\n";
    if (!row.default_text.empty()) out += Troff("Default: " + row.default_text + ".") + "\n";
  }
  return out + kConfigEnd;
}

}  // namespace kubelet::config
