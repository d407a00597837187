/* An echo server on nothing but epoll: the limit that a machine sets.
 *
 *   echo_epoll PORT
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct connection {
  int fd;
  char *left; /* what the socket did not take */
  size_t offset, length;
} connection;

static char buffer[65536];
static int epoll;

static void watch(connection *c, int operation, unsigned events) {
  struct epoll_event event = { .events = events, .data.ptr = c };
  epoll_ctl(epoll, operation, c->fd, &event);
}

static void finish(connection *c) {
  close(c->fd);
  free(c->left);
  free(c);
}

static void on_accept(int listener) {
  int one = 1;
  for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
    connection *c = calloc(1, sizeof *c);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->fd = fd;
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
  }
}

/* Returns how much went out, or -1 at the connection's end. */
static ssize_t send_some(int fd, const char *data, size_t length) {
  ssize_t n = send(fd, data, length, MSG_NOSIGNAL);
  return n < 0 && errno == EAGAIN ? 0 : n;
}

static void on_readable(connection *c) {
  ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
  if (n < 0 && errno == EAGAIN)
    return;
  ssize_t sent = n > 0 ? send_some(c->fd, buffer, (size_t)n) : -1;
  if (sent < 0) {
    finish(c);
  } else if (sent < n) {
    c->offset = 0;
    c->length = (size_t)(n - sent);
    c->left = malloc(c->length);
    memcpy(c->left, buffer + sent, c->length);
    watch(c, EPOLL_CTL_MOD, EPOLLOUT);
  }
}

/* Nothing is read until the peer has taken what is left. */
static void on_writable(connection *c) {
  ssize_t sent = send_some(c->fd, c->left + c->offset, c->length - c->offset);
  if (sent < 0) {
    finish(c);
    return;
  }
  c->offset += (size_t)sent;
  if (c->offset == c->length) {
    free(c->left);
    c->left = NULL;
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
  }
}

static int listen_on(uint16_t port) {
  int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in at = { .sin_family = AF_INET,
                            .sin_port = htons(port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (const struct sockaddr *)&at, sizeof at) != 0 ||
      listen(fd, 4096) != 0)
    exit(1);
  return fd;
}

int main(int argc, char **argv) {
  struct epoll_event events[512];
  if (argc < 2)
    return 2;
  connection listener = { .fd = listen_on((uint16_t)atoi(argv[1])) };
  epoll = epoll_create1(0);
  watch(&listener, EPOLL_CTL_ADD, EPOLLIN);
  for (;;) {
    int n = epoll_wait(epoll, events, 512, -1);
    for (int i = 0; i < n; i++) {
      connection *c = events[i].data.ptr;
      if (c == &listener)
        on_accept(c->fd);
      else if (c->left != NULL)
        on_writable(c);
      else
        on_readable(c);
    }
  }
}
