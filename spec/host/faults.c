/* Lets system calls fail. Preloaded into a program, it stands between libevent
 * and this module on the one side and the C library on the other; what others
 * call goes through untouched. The environment says what happens:
 *
 *   FAULTS=RULE;RULE;...     RULE is CALLS:WHAT@WHEN
 *     CALLS  names with commas between them, or * for all
 *     WHAT   EMFILE, ...     the call fails so and does nothing
 *            short           at most one byte, or one datagram of a batch
 *            late=SECONDS    the call begins that much later, as where the
 *                            system lets others run first
 *            jump=SECONDS    wall time has jumped, in clock_gettime,
 *                            gettimeofday and time
 *     WHEN   3  3-9  3-  *   the third call of that name, from there to the
 *                            ninth, from there on, always
 *            p0.3            with that probability, by FAULTS_SEED
 *   FAULTS_REPORT=FILE       is told at the end of the process, a line for each
 *                            name: the name, the calls, how many were hit, and
 *                            what the last error means
 *
 * For example FAULTS='accept4:EMFILE@3-;read,recv:short@p0.5'. The first rule
 * that holds counts. A rule hits only where the kernel could do the same:
 *
 *   EAGAIN  only descriptors that do not block
 *   EINTR   only calls that a signal can interrupt
 *   short   only streams and files of which more than one byte was wanted
 *   EIO     no pipes; these also take and give at once what fits, so that no
 *           such write is hit, and no such read is short
 *   ECHILD  waitpid takes a child that has ended, as somebody else would
 *
 * Children that a process forks count together with it. Duplicating by fcntl
 * counts as dup; syscall counts by what it calls. */

#include <dlfcn.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#include "faults.h"

/* The calls. The names in this file differ, so that what the headers say of the
 * functions, and how they wrap them, does not matter. */

#define WRAP(type, name, declared)                                             \
  __attribute__((visibility("default")))                                       \
  type faulty_##name declared __asm__(#name);                                  \
  static type(*next_##name) declared;                                          \
  type faulty_##name declared

/* Counts this call; returns -1 where it fails. */
#define FAULT(name, fd, n, flags)                                              \
  if (next_##name == NULL)                                                     \
    next_##name = (__typeof__(next_##name))dlsym(RTLD_NEXT, #name);            \
  const rule *hit =                                                            \
      fault(CALL_##name, __builtin_return_address(0), fd, n, flags);           \
  if (hit != NULL && hit->what > 0) {                                          \
    errno = hit->what;                                                         \
    return FAILED;                                                             \
  }

#define FAILED -1

#define SIMPLE(type, name, declared, given, fd)                                \
  WRAP(type, name, declared) {                                                 \
    FAULT(name, fd, 0, 0)                                                      \
    return next_##name given;                                                  \
  }

#define PARTIAL(type, name, declared, given, fd, flags)                        \
  WRAP(type, name, declared) {                                                 \
    FAULT(name, fd, n, flags)                                                  \
    if (hit != NULL && hit->what == SHORT)                                     \
      n = 1;                                                                   \
    return next_##name given;                                                  \
  }

SIMPLE(int, accept, (int fd, void *at, void *length), (fd, at, length), fd)
SIMPLE(int, accept4, (int fd, void *at, void *length, int flags),
       (fd, at, length, flags), fd)
SIMPLE(int, bind, (int fd, const void *at, socklen_t length), (fd, at, length),
       fd)
SIMPLE(int, close, (int fd), (fd), fd)
SIMPLE(int, connect, (int fd, const void *to, socklen_t length),
       (fd, to, length), fd)
SIMPLE(int, dup, (int fd), (fd), fd)
SIMPLE(int, dup2, (int fd, int to), (fd, to), fd)
SIMPLE(int, dup3, (int fd, int to, int flags), (fd, to, flags), fd)
SIMPLE(int, epoll_create1, (int flags), (flags), -1)
SIMPLE(int, epoll_ctl, (int fd, int what, int of, void *event),
       (fd, what, of, event), fd)
SIMPLE(int, epoll_wait, (int fd, void *events, int n, int ms),
       (fd, events, n, ms), fd)
SIMPLE(int, eventfd, (unsigned value, int flags), (value, flags), -1)
SIMPLE(pid_t, fork, (void), (), -1)
SIMPLE(int, getpeername, (int fd, void *at, void *length), (fd, at, length), fd)
SIMPLE(int, getsockname, (int fd, void *at, void *length), (fd, at, length), fd)
SIMPLE(int, getsockopt, (int fd, int level, int name, void *to, void *length),
       (fd, level, name, to, length), fd)
SIMPLE(int, ioctl, (int fd, unsigned long what, void *with), (fd, what, with),
       fd)
SIMPLE(int, listen, (int fd, int backlog), (fd, backlog), fd)
SIMPLE(int, pipe2, (int *ends, int flags), (ends, flags), -1)
SIMPLE(int, poll, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms), -1)
SIMPLE(int, setsockopt,
       (int fd, int level, int name, const void *from, socklen_t length),
       (fd, level, name, from, length), fd)
SIMPLE(int, shutdown, (int fd, int how), (fd, how), fd)
SIMPLE(int, socket, (int family, int type, int protocol),
       (family, type, protocol), -1)
SIMPLE(int, socketpair, (int family, int type, int protocol, int *fds),
       (family, type, protocol, fds), -1)
SIMPLE(int, timerfd_create, (int id, int flags), (id, flags), -1)
SIMPLE(int, timerfd_settime,
       (int fd, int flags, const void *when, void *before),
       (fd, flags, when, before), fd)
SIMPLE(int, waitid, (int kind, id_t id, void *info, int how),
       (kind, id, info, how), -1)

PARTIAL(ssize_t, pread, (int fd, void *to, size_t n, off_t at), (fd, to, n, at),
        fd, 0)
PARTIAL(ssize_t, read, (int fd, void *to, size_t n), (fd, to, n), fd, 0)
PARTIAL(ssize_t, recv, (int fd, void *to, size_t n, int flags),
        (fd, to, n, flags), fd, flags)
PARTIAL(ssize_t, recvfrom,
        (int fd, void *to, size_t n, int flags, void *at, void *length),
        (fd, to, n, flags, at, length), fd, flags)
PARTIAL(int, recvmmsg,
        (int fd, struct mmsghdr *to, unsigned n, int flags, void *timeout),
        (fd, to, n, flags, timeout), fd, flags)
PARTIAL(ssize_t, send, (int fd, const void *from, size_t n, int flags),
        (fd, from, n, flags), fd, flags)
PARTIAL(ssize_t, sendfile, (int fd, int from, off_t *at, size_t n),
        (fd, from, at, n), fd, 0)
PARTIAL(int, sendmmsg, (int fd, struct mmsghdr *from, unsigned n, int flags),
        (fd, from, n, flags), fd, flags)
PARTIAL(ssize_t, sendto,
        (int fd, const void *from, size_t n, int flags, const void *at,
         socklen_t length),
        (fd, from, n, flags, at, length), fd, flags)
PARTIAL(ssize_t, write, (int fd, const void *from, size_t n), (fd, from, n), fd,
        0)

/* All that is wanted, or the first byte of it. */
static struct iovec first(const struct iovec *v, size_t count) {
  struct iovec one = { NULL, 0 };
  for (size_t i = 0; i < count && one.iov_len == 0; i++)
    one = (struct iovec){ v[i].iov_base, v[i].iov_len > 0 };
  return one;
}

static size_t total(const struct iovec *v, size_t count) {
  size_t n = 0;
  for (size_t i = 0; i < count; i++)
    n += v[i].iov_len;
  return n;
}

#define VECTOR(name)                                                           \
  WRAP(ssize_t, name, (int fd, const struct iovec *v, int count)) {            \
    FAULT(name, fd, total(v, (size_t)count), 0)                                \
    struct iovec one = first(v, (size_t)count);                                \
    bool less = hit != NULL && hit->what == SHORT;                             \
    return next_##name(fd, less ? &one : v, less ? 1 : count);                 \
  }

VECTOR(readv)
VECTOR(writev)

#define MESSAGE(name)                                                          \
  WRAP(ssize_t, name, (int fd, struct msghdr *m, int flags)) {                 \
    FAULT(name, fd, total(m->msg_iov, m->msg_iovlen), flags)                   \
    struct iovec *all = m->msg_iov, one = first(all, m->msg_iovlen);           \
    size_t count = m->msg_iovlen;                                              \
    if (hit != NULL && hit->what == SHORT) {                                   \
      m->msg_iov = &one;                                                       \
      m->msg_iovlen = 1;                                                       \
    }                                                                          \
    ssize_t n = next_##name(fd, m, flags);                                     \
    m->msg_iov = all;                                                          \
    m->msg_iovlen = count;                                                     \
    return n;                                                                  \
  }

MESSAGE(recvmsg)
MESSAGE(sendmsg)

WRAP(pid_t, waitpid, (pid_t pid, int *status, int how)) {
  if (next_waitpid == NULL)
    next_waitpid = (__typeof__(next_waitpid))dlsym(RTLD_NEXT, "waitpid");
  const rule *hit = fault(CALL_waitpid, __builtin_return_address(0), -1, 0, 0);
  if (hit == NULL || hit->what <= 0)
    return next_waitpid(pid, status, how);
  if (hit->what == ECHILD && next_waitpid(pid, status, how) == 0)
    return 0; /* it has not ended */
  errno = hit->what;
  return -1;
}

/* Those whose arguments vary, and the clocks. */

WRAP(int, fcntl, (int fd, int what, void *with)) {
  bool copies = what == F_DUPFD || what == F_DUPFD_CLOEXEC;
  if (next_fcntl == NULL)
    next_fcntl = (int (*)(int, int, void *))dlsym(RTLD_NEXT, "fcntl");
  const rule *hit = fault(copies ? CALL_dup : CALL_fcntl,
                          __builtin_return_address(0), fd, 0, 0);
  if (hit == NULL || hit->what <= 0)
    return next_fcntl(fd, what, with);
  errno = hit->what;
  return -1;
}

WRAP(int, open, (const char *path, int flags, mode_t mode)) {
  FAULT(open, -1, 0, 0)
  return next_open(path, flags, mode);
}

WRAP(long, syscall, (long n, long a, long b, long c, long d, long e, long f)) {
  int call = n == SYS_pidfd_open    ? CALL_pidfd_open
             : n == SYS_close_range ? CALL_close_range
                                    : NCALLS;
  if (next_syscall == NULL)
    next_syscall = (__typeof__(next_syscall))dlsym(RTLD_NEXT, "syscall");
  const rule *hit =
      call < NCALLS ? fault(call, __builtin_return_address(0), -1, 0, 0) : NULL;
  if (hit == NULL || hit->what <= 0)
    return next_syscall(n, a, b, c, d, e, f);
  errno = hit->what;
  return -1;
}

WRAP(int, clock_gettime, (int id, struct timespec *to)) {
  FAULT(clock_gettime, -1, 0, 0)
  int result = next_clock_gettime(id, to);
  if (hit != NULL && result == 0 &&
      (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
    to->tv_sec += hit->jump;
  return result;
}

WRAP(int, gettimeofday, (struct timeval * to, void *zone)) {
  FAULT(gettimeofday, -1, 0, 0)
  int result = next_gettimeofday(to, zone);
  if (hit != NULL && result == 0)
    to->tv_sec += hit->jump;
  return result;
}

WRAP(time_t, time, (time_t * to)) {
  FAULT(time, -1, 0, 0)
  time_t now = next_time(NULL) + (hit != NULL ? hit->jump : 0);
  if (to != NULL)
    *to = now;
  return now;
}

#undef FAILED
#define FAILED NULL

WRAP(void *, opendir, (const char *path)) {
  FAULT(opendir, -1, 0, 0)
  return next_opendir(path);
}
