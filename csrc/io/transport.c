#include "io/transport.h"

#include <errno.h>
#include <sys/socket.h>
#ifdef __linux__
#include <sys/sendfile.h>
#endif

#include "kernel/descriptor.h"
#include "kernel/process.h"

static ssize_t readplain(void *session, int fd, void *to, size_t n) {
  ssize_t got;
  (void)session;
  do {
    got = recv(fd, to, n, 0);
  } while (got < 0 && errno == EINTR);
  return got;
}

static ssize_t writeplain(void *session, int fd, const struct iovec *v, int n) {
  (void)session;
  return lev_fd_send(fd, v, n);
}

static int shutdownplain(void *session, int fd) {
  (void)session;
  return shutdown(fd, SHUT_WR);
}

/* Nothing tells sendfile not to raise SIGPIPE. */
#ifdef __linux__
static ssize_t sendfileplain(void *session, int fd, int file, int64_t offset,
                             size_t n) {
  off_t at = (off_t)offset;
  ssize_t sent = -1;
  (void)session;
  errno = ENOSYS;
  if (lev_sigpipe_ignored()) {
    do {
      sent = sendfile(fd, file, &at, n);
    } while (sent < 0 && errno == EINTR);
  }
  return sent;
}
#else
#define sendfileplain NULL
#endif

const lev_transport lev_plain = {
  .name = "plain",
  .read = readplain,
  .write = writeplain,
  .shutdown = shutdownplain,
  .sendfile = sendfileplain,
};
