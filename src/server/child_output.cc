#include "server/child_output.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "kubelet/base/status.h"

namespace kubelet::server {
namespace {

namespace asio = boost::asio;
constexpr size_t kBlock = 64 * 1024;
constexpr base::Nanos kReapTime = std::chrono::seconds(10);

absl::StatusOr<pid_t> Spawn(const std::string& program, const std::vector<std::string>& args,
                            int out) {
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const auto& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, out, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
  sigset_t all;
  sigfillset(&all);
  posix_spawnattr_setsigdefault(&attributes, &all);
  pid_t pid = 0;
  int error = posix_spawnp(&pid, program.c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return base::ErrnoStatus(error, "start " + program);
  return pid;
}

}  // namespace

ChildOutput::ChildOutput(base::Executor executor, int fd, int pid)
    : out_(std::move(executor), fd), pid_(pid) {}

ChildOutput::~ChildOutput() { Kill(); }

absl::StatusOr<std::shared_ptr<ChildOutput>> ChildOutput::Start(
    base::Executor executor, const std::string& program, const std::vector<std::string>& args) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return base::ErrnoStatus(errno, "pipe");
  auto pid = Spawn(program, args, ends[1]);
  close(ends[1]);
  if (!pid.ok()) {
    close(ends[0]);
    return pid.status();
  }
  return std::shared_ptr<ChildOutput>(new ChildOutput(std::move(executor), ends[0], *pid));
}

base::Task<std::string> ChildOutput::Read() {
  std::string block(kBlock, '\0');
  auto buffer = asio::buffer(block);
  auto result = co_await out_.async_read_some(buffer, asio::as_tuple(asio::use_awaitable));
  block.resize(std::get<0>(result) ? 0 : std::get<1>(result));
  co_return block;
}

void ChildOutput::Kill() {
  if (pid_ > 0) kill(-pid_, SIGKILL);
}

base::Task<void> ChildOutput::Finish(base::BlockingPool* pool) {
  Kill();
  std::function<absl::Status()> reap = [pid = pid_] {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return absl::OkStatus();
  };
  pid_ = 0;
  (void)co_await pool->RunStatus("child", kReapTime, std::move(reap));
}

}  // namespace kubelet::server
