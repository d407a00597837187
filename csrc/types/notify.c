/* What a service tells the program that has started it: the protocol of
 * sd_notify(3), without its library. */

#include "types/notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/datagram.h"
#include "kernel/descriptor.h"
#include "kernel/result.h"

/* The address of a path, or of an abstract name after "@"; false with errno. */
static bool toaddress(const char *name, lev_address *to) {
  bool known = name[0] == '/' || name[0] == '@';
  errno = known ? EINVAL : EAFNOSUPPORT;
  return known && name[1] != '\0' &&
         lev_unixaddress(name, strlen(name), to) == NULL;
}

static bool notify(const char *name, const char *text, size_t length) {
  lev_address to;
  lev_datagram one = { (void *)(uintptr_t)text, length, .to = &to };
  int fd = toaddress(name, &to) ? lev_fd_socket(AF_UNIX, SOCK_DGRAM) : -1;
  if (fd < 0)
    return false;
  bool ok = lev_fd_sendto(fd, &one);
  lev_fd_drop(fd);
  return ok;
}

/***
Tells the program that has started this one, such as systemd, how it is. Does
the work of `sd_notify`: sends the text to the socket that the environment
variable `NOTIFY_SOCKET` names, and never waits.
@function libevent.notify
@param text string Lines such as `"READY=1"`, `"STATUS=..."`, `"STOPPING=1"` or
`"WATCHDOG=1"`.
@return boolean? ok nil alone where there is no `NOTIFY_SOCKET`.
@return string? message
@return integer? code An errno value: `EAFNOSUPPORT` or `EINVAL` for an address
that is none, `EAGAIN` where the receiver does not keep up.
*/
int l_notify(lua_State *L) {
  size_t length;
  luaL_checktype(L, 1, LUA_TSTRING);
  const char *text = lua_tolstring(L, 1, &length);
  const char *name = getenv("NOTIFY_SOCKET");
  if (name != NULL && *name != '\0')
    return lev_result(L, notify(name, text, length), "notify");
  lua_pushnil(L);
  return 1;
}
