/* What a service tells the program that has started it: the protocol of
 * sd_notify(3), without its library. */

#include "types/notify.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <lauxlib.h>

#include "kernel/result.h"

/* The address of a path, or of an abstract name after "@"; its length, or 0 with
 * errno. */
static socklen_t toaddress(const char *name, struct sockaddr_un *to) {
  size_t length = strlen(name);
  bool abstract = name[0] == '@';
  /* A path has a zero behind it. */
  size_t room = sizeof to->sun_path - (abstract ? 0 : 1);
  bool good = length >= 2 && length <= room;
  errno = abstract || name[0] == '/' ? EINVAL : EAFNOSUPPORT;
  if (!good || errno == EAFNOSUPPORT)
    return 0;
  *to = (struct sockaddr_un){ .sun_family = AF_UNIX };
  memcpy(to->sun_path, name, length);
  if (abstract)
    to->sun_path[0] = '\0';
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length +
                     !abstract);
}

static bool notify(const char *name, const char *text, size_t length) {
  struct sockaddr_un to;
  socklen_t size = toaddress(name, &to);
  int fd = size > 0 ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
  if (fd < 0)
    return false;
  ssize_t n = sendto(fd, text, length, MSG_DONTWAIT | MSG_NOSIGNAL,
                     (const struct sockaddr *)&to, size);
  int code = errno;
  close(fd);
  errno = code;
  return n >= 0;
}

/***
Tells the program that has started this one, such as systemd, how it is. Does the
work of `sd_notify`: sends the text to the socket that the environment variable
`NOTIFY_SOCKET` names, and never waits.
@function libevent.notify
@param text string Lines such as `"READY=1"`, `"STATUS=..."`, `"STOPPING=1"` or
`"WATCHDOG=1"`.
@return boolean? ok nil alone where there is no `NOTIFY_SOCKET`.
@return string? message
@return integer? code An errno value: `EAFNOSUPPORT` or `EINVAL` for an address that
is none, `EAGAIN` where the receiver does not keep up.
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
