/* Descriptors that a process has in common with others. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel/convert.h"
#include "kernel/result.h"
#include "types/posix.h"

/***
Opens `/dev/null` in the place of each of the descriptors 0, 1 and 2 that is
closed. Else what is opened next gets that number, and what is printed then.
@function posix.fill
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
static int l_fill(lua_State *L) {
  int fd;
  do
    fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd < 0)
    return lev_failure(L, "fill", errno);
  close(fd);
  return lev_result(L, true, "fill");
}

/* Bytes that a descriptor which is ready for writing surely takes. */
enum { LEV_PIECE = 4096 };

/* Writes what can be written now. The file may be shared with others, so that
 * its flags stay as they are, and there may be no room though there was
 * some. */
static ssize_t put(int fd, const char *bytes, size_t length) {
  struct stat is;
  ssize_t n = send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n >= 0 || errno != ENOTSOCK)
    return n;
  if (fstat(fd, &is) == 0 && S_ISREG(is.st_mode))
    return write(fd, bytes, length);
#ifdef RWF_NOWAIT
  struct iovec part = { .iov_base = (void *)(uintptr_t)bytes,
                        .iov_len = length };
  n = pwritev2(fd, &part, 1, -1, RWF_NOWAIT);
  if (n >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL))
    return n;
#endif
  struct pollfd room = { .fd = fd, .events = POLLOUT };
  if (poll(&room, 1, 0) == 0) {
    errno = EAGAIN;
    return -1;
  }
  return write(fd, bytes, length);
}

/***
Writes as much of a text as there is room for, and never waits, though others
may write there as well.
@function posix.put
@param file file*
@param text string At most 4096 bytes of it are written.
@return integer? n How many bytes.
@return string? message
@return integer? code An errno value, `EAGAIN` where there is no room.
*/
static int l_put(lua_State *L) {
  size_t length;
  luaL_checkudata(L, 1, LUA_FILEHANDLE);
  int fd = lev_checkfd(L, 1);
  luaL_checktype(L, 2, LUA_TSTRING);
  const char *text = lua_tolstring(L, 2, &length);
  ssize_t n = put(fd, text, length < LEV_PIECE ? length : LEV_PIECE);
  if (n < 0)
    return lev_failure(L, "put", errno);
  lua_pushinteger(L, (lua_Integer)n);
  return 1;
}

const luaL_Reg lev_posix_descriptor[] = {
  { "fill", l_fill },
  { "put", l_put },
  { NULL, NULL },
};
