/* Sockets that connect. */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "kernel/address.h"
#include "kernel/base.h"
#include "kernel/descriptor.h"
#include "kernel/result.h"
#include "types/socket.h"

/* Prepares a new descriptor, and binds it where an address says so. */
static bool prepare(int fd, const lev_address *peer, const lev_address *own) {
  int on = 1;
  if (lev_family(peer) != AF_UNIX)
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (own == NULL)
    return true;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  return bind(fd, (const struct sockaddr *)&own->storage, own->length) == 0;
}

/***
Makes a socket that begins to connect. When it is writable @{socket:connected}
tells what has become of it. Small packets are sent at once.
@function libevent.socket_connect
@param address string Such as `"127.0.0.1:80"`, `"[::1]:80"` or
`"unix:/run/app.sock"`.
@param bind? string The address of this side, with port 0 for any.
@return libevent.socket? socket
@return boolean|string connected Whether it is already; the message where the
first is nil.
@return integer? code An errno value; `EAGAIN` where a unix socket accepts no
more connections at the moment.
*/
int l_socket_connect(lua_State *L) {
  lev_address peer, own;
  lev_checkaddress(L, 1, &peer);
  bool binds = !lua_isnoneornil(L, 2);
  if (binds)
    lev_checkaddress(L, 2, &own);
  luaL_argcheck(L, !binds || lev_family(&own) == lev_family(&peer), 2,
                "an address of another kind");
  lev_socket *self = lev_new(L, 0, &lev_socket_type);
  int fd = lev_fd_socket(lev_family(&peer), SOCK_STREAM);
  if (fd < 0)
    return lev_failure(L, "socket", errno);
  bool ready = prepare(fd, &peer, binds ? &own : NULL);
  const char *what = ready ? "connect" : "bind";
  bool connected = ready && connect(fd, (const struct sockaddr *)&peer.storage,
                                    peer.length) == 0;
  if (!connected && (!ready || (errno != EINPROGRESS && errno != EINTR))) {
    lev_fd_drop(fd);
    return lev_failure(L, what, errno);
  }
  if (!lev_socket_open(L, self, fd))
    return lev_nomemory(L);
  lua_pushboolean(L, connected);
  return 2;
}

/***
Tells whether a socket that began to connect is connected.
@function socket:connected
@return boolean? ok
@return string? message
@return integer? code An errno value, such as `ECONNREFUSED`; also where the
socket has been given the very port that it connects to, and is its own peer.
`ENOTCONN` while it connects.
*/
int l_socket_connected(lua_State *L) {
  lev_address own, peer;
  int code = 0;
  socklen_t length = sizeof code;
  const lev_socket *self = lev_selfcheck(L, &lev_socket_type);
  if (getsockopt(self->fd, SOL_SOCKET, SO_ERROR, &code, &length) != 0)
    code = errno;
  if (code == 0 && !lev_askaddress(self->fd, true, &peer))
    code = errno;
  if (code == 0 && lev_family(&peer) != AF_UNIX &&
      lev_askaddress(self->fd, false, &own) && lev_sameaddress(&own, &peer))
    code = ECONNREFUSED;
  errno = code;
  return lev_result(L, code == 0, "connect");
}
