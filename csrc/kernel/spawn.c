#include "kernel/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include "kernel/process.h"

/* What has failed in the child. */
enum { LEV_EXEC, LEV_DIRECTORY, LEV_FDS, LEV_LIMITS, LEV_SESSION };

static const char *const names[] = {
  "exec", "directory", "descriptors", "limits", "session",
};

typedef struct report {
  int step, code;
} report;

/* In the child: tells the parent, and ends. */
static void give_up(int pipe, int step) {
  report r = { step, errno };
  ssize_t n = write(pipe, &r, sizeof r);
  (void)n;
  _exit(127);
}

/* Lets nothing from a number on pass the exec. */
static void close_from(int first) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, (unsigned)first, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
    return;
#endif
  struct rlimit most;
  int last = 65536;
  if (getrlimit(RLIMIT_NOFILE, &most) == 0 && most.rlim_cur < (rlim_t)last)
    last = (int)most.rlim_cur;
  for (int fd = first; fd < last; fd++)
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static bool gets(const lev_spawn *how, int fd) {
  for (int i = 0; i < how->nfds; i++) {
    if (how->fds[i].to == fd)
      return true;
  }
  return false;
}

/* Gives the child its descriptors; what stands at their numbers is moved out of
 * the way first. Returns where the pipe is now. */
static int arrange(const lev_spawn *how, int pipe) {
  int above = 3;
  for (int i = 0; i < how->nfds; i++) {
    if (how->fds[i].to >= above)
      above = how->fds[i].to + 1;
  }
  int moved = fcntl(pipe, F_DUPFD_CLOEXEC, above);
  if (moved < 0)
    give_up(pipe, LEV_FDS);
  for (int i = 0; i < how->nfds; i++) {
    int from = fcntl(how->fds[i].from, F_DUPFD_CLOEXEC, above);
    if (from < 0)
      give_up(moved, LEV_FDS);
    how->fds[i].from = from;
  }
  for (int i = 0; i < how->nfds; i++) {
    while (dup2(how->fds[i].from, how->fds[i].to) < 0) {
      if (errno != EINTR && errno != EBUSY)
        give_up(moved, LEV_FDS);
    }
  }
  for (int fd = 0; fd < above; fd++) {
    if (!gets(how, fd))
      fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  close_from(above);
  return moved;
}

/* Signals do in a new program what they do by default, unless whoever started
 * this one had them ignored. */
static void reset_signals(void) {
  for (int number = 1; number < NSIG; number++) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
        (action.sa_handler != SIG_IGN || lev_signals_ignored(number))) {
      action = (struct sigaction){ .sa_handler = SIG_DFL };
      sigaction(number, &action, NULL);
    }
  }
}

static void write_pid(char *digits) {
  pid_t pid = getpid();
  for (int i = 9; i >= 0; i--, pid /= 10)
    digits[i] = (char)('0' + pid % 10);
}

/* Ends with the parent, if that is wanted. */
static void follow(int number, pid_t parent) {
#ifdef __linux__
  if (number != 0 && prctl(PR_SET_PDEATHSIG, number) == 0 &&
      getppid() != parent)
    kill(getpid(), number);
#else
  (void)number, (void)parent;
#endif
}

/* The child, with all signals blocked. */
static void become(const lev_spawn *how, int pipe, const sigset_t *mask,
                   pid_t parent) {
  int code = ENOENT;
  reset_signals();
  pipe = arrange(how, pipe);
  if (how->session ? setsid() < 0 : how->group && setpgid(0, 0) != 0)
    give_up(pipe, LEV_SESSION);
  if (how->directory != NULL && chdir(how->directory) != 0)
    give_up(pipe, LEV_DIRECTORY);
  for (int i = 0; i < how->nlimits; i++) {
    if (setrlimit(how->limits[i].resource, &how->limits[i].limit) != 0)
      give_up(pipe, LEV_LIMITS);
  }
  follow(how->parentdies, parent);
  if (how->pid != NULL)
    write_pid(how->pid);
  sigprocmask(SIG_SETMASK, mask, NULL);
  for (int i = 0; how->paths[i] != NULL; i++) {
    execve(how->paths[i], how->argv, how->envp);
    if (errno != ENOENT && errno != ENOTDIR)
      code = errno;
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
      break;
  }
  errno = code;
  give_up(pipe, LEV_EXEC);
}

pid_t lev_spawn_start(const lev_spawn *how, const char **what) {
  int ends[2];
  sigset_t all, before;
  report r = { 0, 0 };
  pid_t parent = getpid();
  *what = "pipe";
  if (pipe2(ends, O_CLOEXEC) != 0)
    return -1;
  *what = "fork";
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t pid = fork();
  if (pid == 0)
    become(how, ends[1], &before, parent);
  int code = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  close(ends[1]);
  ssize_t n = 0;
  while (pid > 0 && (n = read(ends[0], &r, sizeof r)) < 0 && errno == EINTR)
    ;
  close(ends[0]);
  if (pid > 0 && n == (ssize_t)sizeof r) {
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
      ;
    *what = names[r.step];
    pid = -1;
    code = r.code;
  }
  errno = code;
  return pid;
}
