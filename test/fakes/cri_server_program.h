// The few words of shell that fake containers understand.
//
//   echo TEXT [>&2]   sleep SECONDS|infinity   exit N   true   false   trap 'exit N' TERM   trap ''
//   TERM
//
// joined by ; or && or newlines, as `sh -c SCRIPT`, or one of them as a command of its own. `while
// …`, `wait` and an unknown command of a container run until stopped; an unknown command of an exec
// succeeds silently.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace kubelet::fakes {

struct Step {
  enum class Kind { kPrint, kSleep, kExit, kForever };
  Kind kind = Kind::kForever;
  std::string text;  // kPrint, without the newline
  bool to_stderr = false;
  std::chrono::nanoseconds duration{0};  // kSleep
  int exit_code = 0;                     // kExit
};

struct Program {
  std::vector<Step> steps;       // ends with kExit or kForever
  bool ignores_term = false;     // trap ''
  std::optional<int> term_exit;  // trap 'exit N'; else a stop signal gives 143
};

enum class ProgramUse { kContainer, kExec };
Program ParseProgram(const std::vector<std::string>& command, ProgramUse use);

}  // namespace kubelet::fakes
