#include "kubelet/os/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <memory>
#include <set>

#include "kubelet/base/promise.h"
#include "kubelet/base/status.h"
#include "os/fd.h"

extern char** environ;

namespace kubelet::os {
namespace {

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;

constexpr size_t kMaxErr = 4096;
constexpr auto kStartLimit = std::chrono::seconds(10);

std::vector<std::string> Environment(const std::vector<std::string>& more) {
  std::set<std::string> replaced;
  for (const auto& one : more) replaced.insert(one.substr(0, one.find('=')));
  std::vector<std::string> out;
  for (char** one = environ; one != nullptr && *one != nullptr; ++one) {
    std::string text = *one;
    if (!replaced.contains(text.substr(0, text.find('=')))) out.push_back(std::move(text));
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

// A started program. Whoever drops it before it was seen to end kills it.
struct Child {
  pid_t pid = -1;
  Fd pidfd, out, err;
  bool ended = false;
  int exit_code = 0;
  std::shared_ptr<void> held;

  void Kill() const {
    if (pid > 0 && !ended) ::kill(-pid, SIGKILL);
  }
  // True once it has ended; takes the zombie away.
  bool Reap() {
    siginfo_t info{};
    if (ended || ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG) != 0 ||
        info.si_pid == 0)
      return ended;
    ended = true;
    exit_code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    return true;
  }
  ~Child() {
    if (pid <= 0 || ended) return;
    Kill();
    // Nobody waits for it any more: a moment for the kernel, so that no zombie stays.
    pollfd fd{pidfd.get(), POLLIN, 0};
    if (::poll(&fd, 1, 100) > 0) Reap();
  }
};
using ChildPtr = std::shared_ptr<Child>;

// A file in memory and not a pipe: nobody has to feed it, and a program that does not read it is no
// SIGPIPE for us.
absl::StatusOr<Fd> InputFile(const std::string& input) {
  Fd file(::memfd_create("input", MFD_CLOEXEC));
  if (file.get() < 0) return base::ErrnoStatus(errno, "memfd_create");
  for (size_t done = 0; done < input.size();) {
    ssize_t n = ::write(file.get(), input.data() + done, input.size() - done);
    if (n < 0 && errno != EINTR) return base::ErrnoStatus(errno, "write of the input");
    if (n > 0) done += static_cast<size_t>(n);
  }
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

absl::Status OpenPipe(Fd& read, Fd& write) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return base::ErrnoStatus(errno, "pipe");
  read = Fd(ends[0]);
  write = Fd(ends[1]);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return absl::OkStatus();
}

absl::StatusOr<ChildPtr> Start(const ProcessRequest& request) {
  auto child = std::make_shared<Child>();
  child->held = request.held;
  Fd out, err;
  RETURN_IF_ERROR(OpenPipe(child->out, out));
  RETURN_IF_ERROR(OpenPipe(child->err, err));
  ASSIGN_OR_RETURN(Fd input, InputFile(request.input));
  std::vector<std::string> words = request.args, environment = Environment(request.environment);
  words.insert(words.begin(), request.program);
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&files, input.get(), 0);
  posix_spawn_file_actions_adddup2(&files, out.get(), 1);
  posix_spawn_file_actions_adddup2(&files, err.get(), 2);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  int error = posix_spawnp(&child->pid, request.program.c_str(), &files, &attributes,
                           Pointers(words).data(), Pointers(environment).data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    child->pid = -1;
    return base::ErrnoStatus(error, "run " + request.program);
  }
  child->pidfd = Fd(static_cast<int>(::syscall(SYS_pidfd_open, child->pid, 0)));
  if (child->pidfd.get() < 0) return base::ErrnoStatus(errno, "pidfd_open");
  return child;
}

// From the start of the program to its end. Keeps itself alive until the kernel has said that it
// ended, also when nobody waits any more.
class Watch : public std::enable_shared_from_this<Watch> {
 public:
  using Result = absl::StatusOr<ProcessResult>;
  Watch(const base::Executor& executor, base::Clock& clock, ChildPtr child, size_t max_output)
      : clock_(clock),
        child_(std::move(child)),
        max_output_(max_output),
        out_(executor),
        err_(executor),
        process_(executor),
        promise_(executor) {}

  base::Promise<Result> Begin(base::Nanos timeout) {
    out_.assign(::dup(child_->out.get()));
    err_.assign(::dup(child_->err.get()));
    process_.assign(::dup(child_->pidfd.get()));
    timer_ = clock_.After(timeout, [weak = weak_from_this(), timeout] {
      if (auto self = weak.lock())
        self->GiveUp(
            absl::DeadlineExceededError("did not end within " + base::GoDuration(timeout)));
    });
    promise_.OnCancel([weak = weak_from_this()] {
      if (auto self = weak.lock()) self->GiveUp(absl::CancelledError("cancelled"));
    });
    Read(out_, result_.out);
    Read(err_, result_.err);
    process_.async_wait(Descriptor::wait_read,
                        [self = shared_from_this()](boost::system::error_code) { self->Ended(); });
    return promise_;
  }

 private:
  void Read(Descriptor& from, std::string& to) {
    from.async_wait(Descriptor::wait_read,
                    [self = shared_from_this(), &from, &to](boost::system::error_code ec) {
                      if (!ec && self->Drain(from, to)) self->Read(from, to);
                    });
  }

  // What is there now; false at the end of the stream.
  bool Drain(Descriptor& from, std::string& to) {
    if (!from.is_open()) return false;
    char buffer[16384];
    for (;;) {
      ssize_t n = ::read(from.native_handle(), buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return true;
      if (n <= 0) return false;
      to.append(buffer, static_cast<size_t>(n));
      if (&to == &result_.err) {
        if (to.size() > kMaxErr) to.erase(0, to.size() - kMaxErr);
        continue;
      }
      if (to.size() <= max_output_) continue;
      GiveUp(absl::ResourceExhaustedError("printed too much"));
      return false;
    }
  }

  void GiveUp(absl::Status why) {
    child_->Kill();
    Finish(std::move(why));
  }

  void Ended() {
    child_->Reap();
    Drain(out_, result_.out);
    Drain(err_, result_.err);
    result_.exit_code = child_->exit_code;
    Finish(std::move(result_));
  }

  void Finish(Result result) {
    clock_.Cancel(timer_);
    boost::system::error_code ignored;
    out_.close(ignored);
    err_.close(ignored);
    promise_.Set(std::move(result));
  }

  base::Clock& clock_;
  ChildPtr child_;
  size_t max_output_;
  ProcessResult result_;
  Descriptor out_, err_, process_;
  base::Promise<Result> promise_;
  base::Clock::TimerId timer_;
};

}  // namespace

base::Task<absl::StatusOr<ProcessResult>> RunProcess(base::Executor executor, base::Clock& clock,
                                                     base::BlockingPool& pool,
                                                     ProcessRequest request) {
  base::Nanos timeout = request.timeout;
  size_t max_output = request.max_output;
  std::function<absl::StatusOr<ChildPtr>()> start = [request = std::move(request)] {
    return Start(request);
  };
  auto child = co_await pool.Run<ChildPtr>("start of a program", kStartLimit, std::move(start));
  if (!child.ok()) co_return child.status();
  auto watch = std::make_shared<Watch>(executor, clock, *std::move(child), max_output);
  auto promise = watch->Begin(timeout);
  auto result = co_await promise.Get();
  co_return result;
}

}  // namespace kubelet::os
