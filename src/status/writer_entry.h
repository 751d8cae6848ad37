// What StatusWriter keeps of a pod. Statuses are kept as wire bytes: a fraction of the size of the
// objects, and compared at once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kubelet/base/time.h"
#include "kubelet/status/writer.h"

namespace kubelet::status {

// The pod as the API server has it.
struct ServerView {
  std::string uid;
  uint64_t version = 0;  // resourceVersion; 0: not a number
  std::string status;
  bool ready = false, terminal = false;
  bool deleting = false;  // has a deletionTimestamp
  bool mirror = false;
};

struct StatusWriter::Entry {
  std::string name, namespace_;
  bool is_static = false;
  size_t given = 0;                   // hash of what Set was last given
  std::optional<std::string> wanted;  // normalized
  bool wanted_ready = false, wanted_terminal = false;
  bool terminal_allowed = false, finished = false;
  bool deleted = false;               // our last DELETE was answered: nothing more to do
  bool suspect = false;               // somebody else wrote; looked at by the audit
  bool unsure = false;                // a patch was sent whose answer is not known
  bool rejected = false;              // the server finds this status invalid
  uint64_t version = 1, written = 1;  // of wanted and the flags
  base::MonoTime changed_at{};        // when version first differed from written
  std::optional<ServerView> server;
  uint64_t gone_version = 0;  // what is older than this was deleted
  std::string problem;

  bool MayBeTerminal() const { return terminal_allowed || finished; }
  bool IsStatic() const { return is_static || (server && server->mirror); }
  bool Deletable() const {
    return finished && !deleted && server && server->deleting && server->terminal &&
           !server->mirror;
  }
};

struct StatusWriter::Step {
  enum class Kind { kNothing, kPatch, kDelete, kOutlived, kInvalid };
  Kind kind = Kind::kNothing;
  std::string uid;    // of the pod on the server
  std::string patch;  // kInvalid: why there is none
  uint64_t version = 0;
  uint64_t base = 0;  // resourceVersion of what the step was made against
};

ServerView ViewOf(const api::core::Pod& pod);
// By which uid the pod is known here: its own, a mirror pod's static one.
std::string KeyOf(const api::core::Pod& pod);
// Same bytes for the same message, also with maps in it.
void SerializeTo(const api::core::PodStatus& status, std::string& out);
api::core::PodStatus ParseStatus(const std::string& bytes);

}  // namespace kubelet::status
