#include "io/transport.h"

#include <sys/socket.h>

#include "kernel/descriptor.h"

static ssize_t readplain(void *session, int fd, void *to, size_t n) {
  (void)session;
  return recv(fd, to, n, 0);
}

static ssize_t writeplain(void *session, int fd, const struct iovec *v, int n) {
  (void)session;
  return lev_fd_send(fd, v, n);
}

static int shutdownplain(void *session, int fd) {
  (void)session;
  return shutdown(fd, SHUT_WR);
}

const lev_transport lev_plain = {
  .name = "plain",
  .read = readplain,
  .write = writeplain,
  .shutdown = shutdownplain,
};
