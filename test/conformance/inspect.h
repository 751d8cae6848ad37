// Subjects of conditions that are not in the pod's object. Each is asked anew, every time.
//
//   log NAME, last-log NAME         the container's log, through the kubelet; its run before
//   lines NAME REGEX                how many lines of it match
//   event REASON                    messages of such events of the pod, one a line; absent: none
//   event-count REASON              how often, by their counts
//   exec NAME SCRIPT                output of a shell script in the container (through the runtime)
//   running NAME, containers NAME   how many containers of that name the runtime has (CRI)
//   sandboxes, ids                  sandboxes of the pod; ids of its running containers
//   cgroup F1|F2, cgroup[NAME] F    a file of the pod's or container's control group (v2|v1 name)
//   file NAME, host PATH            a file in the case's directory; one of this machine
//   hook PATH, hook PATH HEADER     requests to our servers; a header of the last one
//   pulls REPOSITORY:TAG            how often the runtime asked for an image
//   http PATH, http-code PATH       of the kubelet's HTTPS port
//   port PORT PATH                  body of a plain HTTP port of this machine
//   object PLURAL NS/NAME PATH      of another object (`-/NAME` without a namespace)
//   node PATH                       of the kubelet's node
//   plugin METHOD                   how often the case's device plugin was called so
//   served-by AUTHORITY             `yes` when the kubelet's certificate is of an authority of the
//   case client-code AUTHORITY PATH      of the HTTPS port, by a client certificate of that
//   authority since MARK                      seconds since a step `mark` elapsed PATH PATH seconds
//   between two times of the pod
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "conformance/condition.h"
#include "conformance/world.h"

namespace kubelet::test {
class FakeDevicePlugin;
}
namespace kubelet::fakes {
class CertificateAuthority;
}

namespace kubelet::conformance {

class Inspector {
 public:
  Inspector(World& world, std::string ns, std::string case_dir);

  // `pod`: its name at the API server.
  base::Task<absl::StatusOr<std::optional<std::string>>> Ask(std::string pod, std::string subject);
  // Whether the answer can change without the observer noticing.
  static bool Polled(const std::string& subject);
  // Whether it comes to the API server by a queue of its own, one after another: what a busy node
  // has to tell arrives long after the status that it belongs to.
  static bool Queued(const std::string& subject);
  void Mark(const std::string& name);
  void Watch(std::shared_ptr<const test::FakeDevicePlugin> plugin) { plugin_ = std::move(plugin); }
  // Of this name; made when it is first asked for.
  const fakes::CertificateAuthority& Authority(const std::string& name);
  // uid and address of a pod, empty when not known.
  std::string Uid(const std::string& pod) const;
  const PodHistory& History(const std::string& pod) const;

 private:
  using Answer = std::optional<std::string>;
  using Asked = base::Task<absl::StatusOr<Answer>>;
  Asked Log(std::string pod, std::string container, bool previous);
  Asked Lines(std::string pod, std::string words);
  Asked Exec(std::string pod, std::string words);
  Asked Containers(std::string pod, std::string word, std::string name);
  Asked Http(std::string word, std::string path);
  Asked Port(std::string words);
  Asked Object(std::string words);
  Asked Trust(std::string word, std::string name, std::string path);
  Asked Cgroup(std::string pod, std::string subject);
  Answer Event(const std::string& pod, const std::string& word, const std::string& reason) const;
  Answer Hook(const std::string& words) const;
  Answer Elapsed(const std::string& pod, const std::string& words) const;

  World& world_;
  std::string ns_, case_dir_;
  std::map<std::string, base::MonoTime> marks_;
  std::shared_ptr<const test::FakeDevicePlugin> plugin_;
  std::map<std::string, std::shared_ptr<fakes::CertificateAuthority>> authorities_;
};

// A file without its last line break; nullopt when there is none, `directory` for one.
std::optional<std::string> HostFile(const std::string& path);

}  // namespace kubelet::conformance
