#include "kernel/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/address.h"

enum { LEV_BITS = 64 };

static uint64_t bit(int fd) {
  return UINT64_C(1) << fd % LEV_BITS;
}

/* Makes room for a number; false if there is no memory. */
static bool grow(lua_State *L, lev_state *state, size_t word) {
  size_t words = word < 16 ? 16 : word * 2;
  uint64_t *moved = lev_tryrealloc(
      L, state->owned, state->words * sizeof *moved, words * sizeof *moved);
  if (moved == NULL)
    return false;
  memset(moved + state->words, 0, (words - state->words) * sizeof *moved);
  state->owned = moved;
  state->words = words;
  return true;
}

/* Notes an owner; a number that is 'fresh' has had none since it was closed. */
static bool own(lua_State *L, int fd, bool fresh) {
  lev_state *state = lev_getstate(L);
  size_t word = (size_t)fd / LEV_BITS;
  if (state->closed)
    return true;
  if (word >= state->words && !grow(L, state, word)) {
    errno = ENOMEM;
    return false;
  }
  if (!fresh && state->owned[word] & bit(fd)) {
    errno = EBUSY;
    return false;
  }
  state->owned[word] |= bit(fd);
  return true;
}

bool lev_fd_own(lua_State *L, int fd) {
  return own(L, fd, false);
}

int lev_fd_adopt(lua_State *L, int fd) {
  return fd < 0 || own(L, fd, true) ? fd : lev_fd_drop(fd);
}

void lev_fd_disown(lev_state *state, int fd) {
  size_t word = (size_t)fd / LEV_BITS;
  if (word < state->words)
    state->owned[word] &= ~bit(fd);
}

int lev_fd_drop(int fd) {
  int code = errno;
  close(fd);
  errno = code;
  return -1;
}

void lev_fd_close(lev_state *state, int fd) {
  lev_fd_disown(state, fd);
  lev_fd_drop(fd);
}

short lev_fd_ready(int fd, short wanted) {
  struct pollfd p = { fd, wanted, 0 };
  int n;
  do {
    n = poll(&p, 1, 0);
  } while (n < 0 && errno == EINTR);
  return n > 0 ? p.revents : 0;
}

bool lev_fd_prepare(int fd) {
  int shared = fcntl(fd, F_GETFL), alone = fcntl(fd, F_GETFD);
  return shared >= 0 && alone >= 0 &&
         (shared & O_NONBLOCK ||
          fcntl(fd, F_SETFL, shared | O_NONBLOCK) == 0) &&
         (alone & FD_CLOEXEC || fcntl(fd, F_SETFD, alone | FD_CLOEXEC) == 0);
}

int lev_fd_socket(int family, int type) {
#ifdef SOCK_NONBLOCK
  return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
#else
  int fd = socket(family, type, 0);
  return fd < 0 || lev_fd_prepare(fd) ? fd : lev_fd_drop(fd);
#endif
}

ssize_t lev_fd_send(int fd, const struct iovec *v, int n) {
  struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)v,
                            .msg_iovlen = (size_t)n };
  ssize_t sent;
  do {
    sent = n == 1 ? send(fd, v[0].iov_base, v[0].iov_len, MSG_NOSIGNAL)
                  : sendmsg(fd, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

static size_t ask(int fd, unsigned long what) {
  int n = 0;
  return ioctl(fd, what, &n) == 0 && n > 0 ? (size_t)n : 0;
}

size_t lev_fd_unread(int fd) {
  return ask(fd, FIONREAD);
}

static bool isunix(int fd) {
  lev_address a;
  return !lev_askaddress(fd, false, &a) || lev_family(&a) == AF_UNIX;
}

size_t lev_fd_unacked(int fd) {
  size_t n = ask(fd, TIOCOUTQ);
  return n > 0 && !isunix(fd) ? n : 0;
}
