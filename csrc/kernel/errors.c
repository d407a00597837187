/* The names of errno values that a script may want to tell apart. */

#include <errno.h>

#include "kernel/result.h"

#define NAMED(code)                                                            \
  { #code, code }

static const struct {
  const char *name;
  int code;
} names[] = {
  NAMED(E2BIG),         NAMED(EACCES),          NAMED(EADDRINUSE),
  NAMED(EADDRNOTAVAIL), NAMED(EAFNOSUPPORT),    NAMED(EAGAIN),
  NAMED(EALREADY),      NAMED(EBADF),           NAMED(EBADMSG),
  NAMED(EBUSY),         NAMED(ECANCELED),       NAMED(ECHILD),
  NAMED(ECONNABORTED),  NAMED(ECONNREFUSED),    NAMED(ECONNRESET),
  NAMED(EDESTADDRREQ),  NAMED(EEXIST),          NAMED(EFAULT),
  NAMED(EFBIG),         NAMED(EHOSTUNREACH),    NAMED(EILSEQ),
  NAMED(EINPROGRESS),   NAMED(EINTR),           NAMED(EINVAL),
  NAMED(EIO),           NAMED(EISCONN),         NAMED(EISDIR),
  NAMED(ELOOP),         NAMED(EMFILE),          NAMED(EMSGSIZE),
  NAMED(ENAMETOOLONG),  NAMED(ENETDOWN),        NAMED(ENODATA),
  NAMED(ENETUNREACH),   NAMED(ENFILE),          NAMED(ENOBUFS),
  NAMED(ENODEV),        NAMED(ENOENT),          NAMED(ENOEXEC),
  NAMED(ENOMEM),        NAMED(ENOPROTOOPT),     NAMED(ENOSPC),
  NAMED(ENOSYS),        NAMED(ENOTCONN),        NAMED(ENOTDIR),
  NAMED(ENOTSOCK),      NAMED(ENOTSUP),         NAMED(ENXIO),
  NAMED(EOPNOTSUPP),    NAMED(EPERM),           NAMED(EPIPE),
  NAMED(EPROTO),        NAMED(EPROTONOSUPPORT), NAMED(EPROTOTYPE),
  NAMED(ERANGE),        NAMED(EROFS),           NAMED(ESRCH),
  NAMED(ETIMEDOUT),     NAMED(ETXTBSY),         NAMED(EWOULDBLOCK),
};

void lev_pusherrno(lua_State *L) {
  lua_newtable(L);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    lua_pushinteger(L, names[i].code);
    lua_setfield(L, -2, names[i].name);
  }
}
