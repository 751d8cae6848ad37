#include "kubelet/base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <set>

#include "kubelet/base/status.h"

extern char** environ;

namespace kubelet::base {
namespace {

constexpr size_t kMaxOut = 1 << 20;
constexpr size_t kMaxErr = 4096;

class Fd {
 public:
  Fd() = default;
  ~Fd() { Close(); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  void Set(int fd) { fd_ = fd; }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

struct Pipe {
  Fd read, write;
  absl::Status Open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
    read.Set(ends[0]);
    write.Set(ends[1]);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return absl::OkStatus();
  }
};

// Ours, with `more` in place of variables of the same name.
std::vector<std::string> Environment(const std::vector<std::string>& more) {
  std::set<std::string> replaced;
  for (const auto& one : more) replaced.insert(one.substr(0, one.find('=')));
  std::vector<std::string> out;
  for (char** one = environ; one != nullptr && *one != nullptr; ++one) {
    std::string text = *one;
    if (!replaced.count(text.substr(0, text.find('=')))) out.push_back(std::move(text));
  }
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (auto& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

absl::StatusOr<pid_t> Spawn(const std::string& command, const std::vector<std::string>& args,
                            const std::vector<std::string>& more, int out, int err) {
  std::vector<std::string> words = args, environment = Environment(more);
  words.insert(words.begin(), command);
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, out, 1);
  posix_spawn_file_actions_adddup2(&files, err, 2);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  int error = posix_spawnp(&pid, command.c_str(), &files, &attributes, Pointers(words).data(),
                           Pointers(environment).data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return ErrnoStatus(error, "run " + command);
  return pid;
}

// What is there now; false at the end of the stream.
bool Drain(Fd& fd, std::string& out) {
  char buffer[16384];
  for (;;) {
    ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return true;
    if (n <= 0) return false;
    out.append(buffer, static_cast<size_t>(n));
    if (out.size() > kMaxOut) return true;
  }
}

// Until the process has ended: a child of it may keep the pipes open for longer.
absl::Status Collect(int pidfd, Pipe& out, Pipe& err, Nanos timeout, ProcessResult& result) {
  auto end = std::chrono::steady_clock::now() + timeout;
  for (bool running = true; running;) {
    auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0)
      return absl::DeadlineExceededError("did not end within " + GoDuration(timeout));
    pollfd fds[] = {{pidfd, POLLIN, 0}, {out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}};
    int n = ::poll(fds, 3, static_cast<int>(left.count()));
    if (n < 0 && errno != EINTR) return ErrnoStatus(errno, "poll");
    if (n <= 0) continue;
    running = fds[0].revents == 0;
    if (out.read.get() >= 0 && !Drain(out.read, result.out)) out.read.Close();
    if (err.read.get() >= 0 && !Drain(err.read, result.err)) err.read.Close();
    if (result.out.size() > kMaxOut) return absl::ResourceExhaustedError("printed too much");
    if (result.err.size() > kMaxErr) result.err.erase(0, result.err.size() - kMaxErr);
  }
  return absl::OkStatus();
}

int ExitCode(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

absl::StatusOr<ProcessResult> RunProcess(const std::string& command,
                                         const std::vector<std::string>& args,
                                         const std::vector<std::string>& environment,
                                         Nanos timeout) {
  Pipe out, err;
  RETURN_IF_ERROR(out.Open());
  RETURN_IF_ERROR(err.Open());
  ASSIGN_OR_RETURN(pid_t pid, Spawn(command, args, environment, out.write.get(), err.write.get()));
  out.write.Close();
  err.write.Close();
  Fd pidfd;
  pidfd.Set(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  absl::Status status = pidfd.get() < 0 ? ErrnoStatus(errno, "pidfd_open") : absl::OkStatus();
  ProcessResult result;
  if (status.ok()) status = Collect(pidfd.get(), out, err, timeout, result);
  if (!status.ok()) ::kill(-pid, SIGKILL);
  int exit = 0;
  while (::waitpid(pid, &exit, 0) < 0 && errno == EINTR) {
  }
  if (!status.ok()) return status;
  result.exit_code = ExitCode(exit);
  return result;
}

}  // namespace kubelet::base
