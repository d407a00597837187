/* The rules of faults.c, and whether one hits a call. */

#ifndef SPEC_FAULTS_H
#define SPEC_FAULTS_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { INTERRUPTS = 1, WAITS = 2, IO = INTERRUPTS | WAITS };
enum { SHORT = -1, JUMP = -2, LATE = -3 };

/* Every name, and what may happen to it besides errors. */
#define CALLS(X)                                                               \
  X(accept, IO)                                                                \
  X(accept4, IO)                                                               \
  X(bind, 0)                                                                   \
  X(clock_gettime, 0)                                                          \
  X(close, 0)                                                                  \
  X(close_range, 0)                                                            \
  X(connect, WAITS)                                                            \
  X(dup, 0)                                                                    \
  X(dup2, INTERRUPTS)                                                          \
  X(dup3, INTERRUPTS)                                                          \
  X(epoll_create1, 0)                                                          \
  X(epoll_ctl, 0)                                                              \
  X(epoll_wait, INTERRUPTS)                                                    \
  X(eventfd, 0)                                                                \
  X(fcntl, 0)                                                                  \
  X(fork, WAITS)                                                               \
  X(getpeername, 0)                                                            \
  X(getsockname, 0)                                                            \
  X(getsockopt, 0)                                                             \
  X(gettimeofday, 0)                                                           \
  X(ioctl, 0)                                                                  \
  X(listen, 0)                                                                 \
  X(open, INTERRUPTS)                                                          \
  X(opendir, INTERRUPTS)                                                       \
  X(pidfd_open, 0)                                                             \
  X(pipe2, 0)                                                                  \
  X(poll, INTERRUPTS)                                                          \
  X(pread, IO)                                                                 \
  X(read, IO)                                                                  \
  X(readv, IO)                                                                 \
  X(recv, IO)                                                                  \
  X(recvfrom, IO)                                                              \
  X(recvmmsg, IO)                                                              \
  X(recvmsg, IO)                                                               \
  X(send, IO)                                                                  \
  X(sendfile, IO)                                                              \
  X(sendmmsg, IO)                                                              \
  X(sendmsg, IO)                                                               \
  X(sendto, IO)                                                                \
  X(setsockopt, 0)                                                             \
  X(shutdown, 0)                                                               \
  X(socket, 0)                                                                 \
  X(socketpair, 0)                                                             \
  X(time, 0)                                                                   \
  X(timerfd_create, 0)                                                         \
  X(timerfd_settime, 0)                                                        \
  X(waitid, INTERRUPTS)                                                        \
  X(waitpid, INTERRUPTS)                                                       \
  X(write, IO)                                                                 \
  X(writev, IO)

#define NUMBER(name, may) CALL_##name,
enum call_number { CALLS(NUMBER) NCALLS };

#define KIND(name, may) { #name, may },
static const struct {
  const char *name;
  int may;
} kinds[] = { CALLS(KIND) };

typedef struct rule {
  bool calls[NCALLS];
  int what;    /* a code, SHORT, JUMP or LATE */
  long jump;   /* seconds */
  double late; /* seconds */
  unsigned long first, last;
  double probability; /* instead of first and last where it is positive */
} rule;

static rule rules[16];
static int nrules;
static uint64_t seed;
static const char *report;
static pid_t reporter;

/* What forked children share. */
typedef struct tally {
  atomic_ulong calls[NCALLS], hits[NCALLS];
  atomic_int last[NCALLS]; /* what hit */
} tally;

static tally *counts;

static _Noreturn void complain(const char *text) {
  fprintf(stderr, "FAULTS: not understood: %s\n", text);
  _exit(2);
}

/* Reading the rules. */

static void parse_calls(rule *r, char *names) {
  char *rest, *name = strtok_r(names, ",", &rest);
  for (; name != NULL; name = strtok_r(NULL, ",", &rest)) {
    bool known = false;
    for (int i = 0; i < NCALLS; i++) {
      bool meant = strcmp(name, "*") == 0 || strcmp(name, kinds[i].name) == 0;
      r->calls[i] |= meant;
      known |= meant;
    }
    if (!known)
      complain(name);
  }
}

static void parse_what(rule *r, const char *what) {
  if (strcmp(what, "short") == 0)
    r->what = SHORT;
  else if (sscanf(what, "jump=%ld", &r->jump) == 1)
    r->what = JUMP;
  else if (sscanf(what, "late=%lf", &r->late) == 1)
    r->what = LATE;
  for (int code = 1; code < 200 && r->what == 0; code++) {
    const char *name = strerrorname_np(code);
    if (name != NULL && strcmp(name, what) == 0)
      r->what = code;
  }
  if (r->what == 0)
    complain(what);
}

static void parse_when(rule *r, const char *when) {
  r->first = 1;
  r->last = ULONG_MAX;
  if (sscanf(when, "p%lf", &r->probability) == 1 || strcmp(when, "*") == 0)
    return;
  char *rest;
  r->first = r->last = strtoul(when, &rest, 10);
  if (*rest == '-')
    r->last = rest[1] != '\0' ? strtoul(rest + 1, &rest, 10) : ULONG_MAX;
  if (r->first == 0 || (*rest != '\0' && strcmp(rest, "-") != 0))
    complain(when);
}

static void parse(const char *text) {
  char *copy = strdup(text), *rest;
  for (char *one = strtok_r(copy, ";", &rest); one != NULL;
       one = strtok_r(NULL, ";", &rest)) {
    char *what = strchr(one, ':');
    char *when = what != NULL ? strchr(what, '@') : NULL;
    if (when == NULL || nrules == (int)(sizeof rules / sizeof *rules))
      complain(one);
    *what++ = *when++ = '\0';
    parse_calls(&rules[nrules], one);
    parse_what(&rules[nrules], what);
    parse_when(&rules[nrules], when);
    nrules++;
  }
  free(copy);
}

/* The report is of this process alone, not of programs that it starts. */
__attribute__((constructor)) static void begin(void) {
  const char *text = getenv("FAULTS"), *number = getenv("FAULTS_SEED");
  void *shared = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED)
    complain("no memory");
  seed = number != NULL ? strtoull(number, NULL, 10) : 1;
  if (text != NULL)
    parse(text);
  if ((report = getenv("FAULTS_REPORT")) != NULL)
    report = strdup(report);
  unsetenv("FAULTS_REPORT");
  reporter = getpid();
  counts = shared;
}

__attribute__((destructor)) static void end(void) {
  FILE *file =
      report != NULL && getpid() == reporter ? fopen(report, "w") : NULL;
  for (int i = 0; file != NULL && i < NCALLS; i++) {
    int code = counts->last[i];
    fprintf(file, "%s %lu %lu %s\n", kinds[i].name, counts->calls[i],
            counts->hits[i], code > 0 ? strerrordesc_np(code) : "");
  }
  if (file != NULL)
    fclose(file);
}

/* Deciding. */

/* Whether the code that returns there is libevent's or this module's. */
static bool concerns(const void *from) {
  static _Atomic uintptr_t known[1024]; /* the address, and whether, below it */
  uintptr_t at = (uintptr_t)from << 1;
  _Atomic uintptr_t *slot = &known[((uintptr_t)from * 2654435761u) >> 7 & 1023];
  uintptr_t found = *slot;
  if ((found & ~(uintptr_t)1) != at) {
    Dl_info info;
    const char *name = dladdr(from, &info) != 0 ? info.dli_fname : "";
    const char *file = strrchr(name, '/');
    bool ours = file != NULL &&
                (strncmp(file, "/libevent", 9) == 0 ||
                 (file - name >= 9 && strncmp(file - 9, "/libevent", 9) == 0));
    *slot = found = at | ours;
  }
  return found & 1;
}

static bool happens(const rule *r, int call, unsigned long n) {
  if (r->probability <= 0)
    return n >= r->first && n <= r->last;
  uint64_t x = seed * 0x9e3779b97f4a7c15u + n * 64 + (uint64_t)call;
  x += (uint64_t)(r - rules) << 56;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u; /* as splitmix64 does */
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return (double)((x ^ x >> 31) >> 11) * 0x1p-53 < r->probability;
}

static bool blocks(int fd, int flags) {
  int mode = flags & MSG_DONTWAIT ? O_NONBLOCK : fcntl(fd, F_GETFL);
  return mode < 0 || !(mode & O_NONBLOCK);
}

/* Whether less can be read or written than the n bytes that were wanted. */
static bool divides(int call, int fd, size_t n) {
  struct stat s;
  int type = SOCK_STREAM;
  socklen_t length = sizeof type;
  bool batch = call == CALL_recvmmsg || call == CALL_sendmmsg;
  if (n < 2 || fstat(fd, &s) != 0)
    return false;
  if (S_ISSOCK(s.st_mode))
    return batch || (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
                     type == SOCK_STREAM);
  return S_ISREG(s.st_mode) || S_ISCHR(s.st_mode) || S_ISFIFO(s.st_mode);
}

/* A pipe takes and gives at once what fits, and nothing is ever wrong with it. */
static bool ispipe(int fd) {
  struct stat s;
  return fd >= 0 && fstat(fd, &s) == 0 && S_ISFIFO(s.st_mode);
}

static bool possible(const rule *r, int call, int fd, size_t n, int flags) {
  bool writes = call == CALL_write || call == CALL_writev;
  bool whole = (writes || r->what == SHORT) && n <= PIPE_BUF;
  if ((whole || r->what == EIO) && ispipe(fd))
    return false;
  if (r->what == SHORT)
    return divides(call, fd, n);
  if (r->what == EINTR)
    return kinds[call].may & INTERRUPTS;
  if (r->what == EAGAIN)
    return kinds[call].may & WAITS && (fd < 0 || !blocks(fd, flags));
  return r->what != JUMP || call == CALL_clock_gettime ||
         call == CALL_gettimeofday || call == CALL_time;
}

static void idle(double seconds) {
  struct timespec time = { (time_t)seconds, 0 };
  time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
  nanosleep(&time, NULL);
}

/* Counts a call; returns the rule that hits it. */
static const rule *fault(int call, const void *from, int fd, size_t n,
                         int flags) {
  if (counts == NULL || !concerns(from))
    return NULL;
  int before = errno;
  const rule *found = NULL;
  unsigned long number = ++counts->calls[call];
  for (int i = 0; i < nrules && found == NULL; i++) {
    if (rules[i].calls[call] && happens(&rules[i], call, number) &&
        possible(&rules[i], call, fd, n, flags))
      found = &rules[i];
  }
  if (found != NULL) {
    counts->hits[call]++;
    counts->last[call] = found->what;
    if (found->what == LATE)
      idle(found->late);
  }
  errno = before;
  return found;
}

#endif
