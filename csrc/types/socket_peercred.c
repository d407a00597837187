/* Who is at the other side of a unix socket. */

#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "kernel/address.h"
#include "kernel/base.h"
#include "kernel/result.h"
#include "types/socket.h"

typedef struct lev_cred {
  pid_t pid;
  uid_t uid;
  gid_t gid;
} lev_cred;

/* Asks; false with errno. */
static bool ask(int fd, lev_cred *cred) {
#ifdef SO_PEERCRED
  struct ucred got;
  socklen_t length = sizeof got;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &got, &length) != 0)
    return false;
  *cred = (lev_cred){ got.pid, got.uid, got.gid };
#else
  cred->pid = 0;
  if (getpeereid(fd, &cred->uid, &cred->gid) != 0)
    return false;
#endif
  errno = ENOTCONN;
  return cred->uid != (uid_t)-1;
}

int lev_pushpeercred(lua_State *L, int fd) {
  lev_cred cred = { 0, 0, 0 };
  lev_address own;
  int code = 0;
  if (!lev_askaddress(fd, false, &own))
    code = errno;
  else if (lev_family(&own) != AF_UNIX)
    code = EOPNOTSUPP;
  else if (!ask(fd, &cred))
    code = errno;
  if (code != 0)
    return lev_failure(L, "peercred", code);
  lua_pushinteger(L, (lua_Integer)cred.pid);
  lua_pushinteger(L, (lua_Integer)cred.uid);
  lua_pushinteger(L, (lua_Integer)cred.gid);
  return 3;
}

/***
Tells who is at the other side of a unix socket: who has connected, or listens.
@function socket:peercred
@return integer? pid 0 where the system does not tell.
@return integer|string uid The message where the first is nil.
@return integer gid Or an errno value: `EOPNOTSUPP` unless it is a unix socket,
`ENOTCONN` without a connection.
*/
int l_socket_peercred(lua_State *L) {
  const lev_socket *self = lev_selfcheck(L, &lev_socket_type);
  return lev_pushpeercred(L, self->fd);
}
