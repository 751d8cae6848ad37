// The child's side of ChildCalls.
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>

#include "kubelet/base/status.h"
#include "kubelet/os/child_call.h"
#include "kubelet/os/mount.h"
#include "os/child_call_wire.h"

namespace kubelet::os {
namespace {

using Args = std::vector<std::string>;

// unmount-below DIR lazy|now: names what was held back, one a line.
absl::StatusOr<std::string> UnmountBelowCall(const Args& args) {
  if (args.size() != 2) return absl::InvalidArgumentError("unmount-below DIR now|lazy");
  std::string told;
  auto status = UnmountBelow(args[0], args[1] == "lazy",
                             [&](const std::string& text) { told += text + "\n"; });
  if (!status.ok()) return status;
  return told;
}

absl::StatusOr<std::string> StatCall(const Args& args) {
  if (args.size() != 1) return absl::InvalidArgumentError("stat PATH");
  struct stat info {};
  if (stat(args[0].c_str(), &info) != 0) return base::ErrnoStatus(errno, "stat " + args[0]);
  return std::to_string(info.st_mode);
}

absl::StatusOr<std::string> StatfsCall(const Args& args) {
  if (args.size() != 1) return absl::InvalidArgumentError("statfs PATH");
  struct statfs fs {};
  if (statfs(args[0].c_str(), &fs) != 0) return base::ErrnoStatus(errno, "statfs " + args[0]);
  std::string out;
  for (uint64_t value : {static_cast<uint64_t>(fs.f_bsize), static_cast<uint64_t>(fs.f_blocks),
                         static_cast<uint64_t>(fs.f_bfree), static_cast<uint64_t>(fs.f_bavail),
                         static_cast<uint64_t>(fs.f_files), static_cast<uint64_t>(fs.f_ffree)})
    out += (out.empty() ? "" : " ") + std::to_string(value);
  return out;
}

bool WriteAll(const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    ssize_t n = write(STDOUT_FILENO, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

}  // namespace

std::string EncodeAnswer(const absl::StatusOr<std::string>& answer) {
  std::string code = std::to_string(static_cast<int>(answer.status().code()));
  return code + "\n" + (answer.ok() ? *answer : base::Message(answer.status())) + "\n.";
}

std::optional<absl::StatusOr<std::string>> DecodeAnswer(const std::string& text) {
  size_t line = text.find('\n');
  if (line == std::string::npos || text.size() < line + 3 || !text.ends_with("\n."))
    return std::nullopt;
  int code = -1;
  auto [end, error] = std::from_chars(text.data(), text.data() + line, code);
  if (error != std::errc() || end != text.data() + line || code < 0 || code > 16)
    return std::nullopt;
  std::string rest = text.substr(line + 1, text.size() - line - 3);
  if (code == 0) return absl::StatusOr<std::string>(std::move(rest));
  return absl::StatusOr<std::string>(absl::Status(static_cast<absl::StatusCode>(code), rest));
}

int ServeChildCall(const std::vector<std::string>& args, const CallTable& more) {
  // Nobody would hear the answer; and what is half done is looked at again by the next kubelet.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (args.empty() || args[0] != std::to_string(getppid())) return 1;
  static const CallTable own = {
      {"unmount-below", UnmountBelowCall}, {"stat", StatCall}, {"statfs", StatfsCall}};
  absl::StatusOr<std::string> answer = absl::InvalidArgumentError("no such call");
  if (args.size() > 1) {
    const std::string& name = args[1];
    Args rest(args.begin() + 2, args.end());
    if (auto it = own.find(name); it != own.end()) {
      answer = it->second(rest);
    } else if (auto other = more.find(name); other != more.end()) {
      answer = other->second(rest);
    } else {
      answer = absl::InvalidArgumentError("no such call: " + name);
    }
  }
  return WriteAll(EncodeAnswer(answer)) ? 0 : 1;
}

}  // namespace kubelet::os
