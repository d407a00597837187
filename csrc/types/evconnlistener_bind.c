/* Making listening sockets. */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/descriptor.h"
#include "types/evconnlistener.h"

static bool set(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

static bool isinet(int fd) {
  lev_address a;
  return lev_askaddress(fd, false, &a) &&
         (lev_family(&a) == AF_INET || lev_family(&a) == AF_INET6);
}

/* What concerns the addresses in use; before bind. */
static bool prepare(int fd, const lev_address *a, const lev_listening *how) {
  if (lev_family(a) == AF_UNIX)
    return true;
  if (how->reuseable && !set(fd, SOL_SOCKET, SO_REUSEADDR, 1))
    return false;
#ifdef SO_REUSEPORT
  if (how->reuseport && !set(fd, SOL_SOCKET, SO_REUSEPORT, 1))
    return false;
#endif
  return how->v6only < 0 || lev_family(a) != AF_INET6 ||
         set(fd, IPPROTO_IPV6, IPV6_V6ONLY, how->v6only);
}

bool lev_listen_on(int fd, const lev_listening *how) {
  bool inet = isinet(fd);
  if (inet && how->nodelay)
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
#ifdef TCP_DEFER_ACCEPT
  if (inet && how->deferred && !set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1))
    return false;
#endif
  return listen(fd, how->backlog) == 0;
}

bool lev_samefile(const char *path, const struct stat *was) {
  struct stat is;
  return lstat(path, &is) == 0 && is.st_dev == was->st_dev &&
         is.st_ino == was->st_ino;
}

/* Removes a socket that nobody listens to any more: connecting to it is
 * refused. false if that is not so. */
static bool removestale(const lev_address *a) {
  struct stat was;
  const char *path = lev_unixpath(a);
  if (path == NULL || lstat(path, &was) != 0 || !S_ISSOCK(was.st_mode))
    return false;
  int fd = lev_fd_socket(AF_UNIX, SOCK_STREAM);
  if (fd < 0)
    return false;
  bool refused =
      connect(fd, (const struct sockaddr *)&a->storage, a->length) != 0 &&
      errno == ECONNREFUSED;
  close(fd);
  return refused && lev_samefile(path, &was) && unlink(path) == 0;
}

/* Binds; a path gets its mode at once, so that nobody else can come first. */
static bool bindto(int fd, const lev_address *a, int mode) {
  bool masks = mode >= 0 && lev_unixpath(a) != NULL;
  mode_t before = masks ? umask(0777 & ~(mode_t)mode) : 0;
  bool ok = bind(fd, (const struct sockaddr *)&a->storage, a->length) == 0;
  int code = errno;
  if (masks)
    umask(before);
  errno = code;
  return ok;
}

int lev_listen(const lev_address *a, const lev_listening *how) {
  int fd = lev_fd_socket(lev_family(a), SOCK_STREAM);
  if (fd < 0)
    return -1;
  bool ok = prepare(fd, a, how);
  if (ok && !bindto(fd, a, how->mode)) {
    int code = errno;
    ok = code == EADDRINUSE && removestale(a);
    errno = code;
    ok = ok && bindto(fd, a, how->mode);
  }
  if (ok && lev_listen_on(fd, how))
    return fd;
  return lev_fd_drop(fd);
}
