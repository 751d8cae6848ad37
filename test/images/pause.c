// The process that holds a pod's namespaces open: reaps what is re-parented to it, ends on SIGINT or SIGTERM.
// The signals are blocked and waited for, not handled: as pid 1 the kernel drops unblocked signals without a handler.
#include <signal.h>
#include <sys/wait.h>

int main(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGCHLD);
  if (sigprocmask(SIG_BLOCK, &set, 0) != 0) return 1;
  for (;;) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) return 2;
    if (signal != SIGCHLD) return 0;
    while (waitpid(-1, 0, WNOHANG) > 0) {
    }
  }
}
