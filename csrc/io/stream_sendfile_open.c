/* What a stream sends as a file: opened, and measured. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "io/stream.h"
#include "kernel/convert.h"
#include "kernel/descriptor.h"

FILE *lev_sendfile_checksource(lua_State *L) {
  if (lua_type(L, 2) == LUA_TSTRING) {
    lev_checktext(L, 2);
    return NULL;
  }
  const luaL_Stream *source = luaL_testudata(L, 2, LUA_FILEHANDLE);
  if (source == NULL) {
    luaL_typeerror(L, 2, "path or file");
    return NULL;
  }
  luaL_argcheck(L, source->closef != NULL, 2, "attempt to use a closed file");
  return source->f;
}

/* A descriptor of our own; -1 with errno. */
static int opensource(lua_State *L, FILE *source) {
  int fd;
  do {
    fd = source != NULL ? fcntl(fileno(source), F_DUPFD_CLOEXEC, 0)
                        : open(lua_tostring(L, 2),
                               O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (fd < 0 && errno == EINTR);
  return lev_fd_adopt(L, fd);
}

/* How long the file is; -1 with errno if it is none that can be sent. */
static int64_t lengthof(int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0)
    return -1;
  if (S_ISREG(st.st_mode))
    return st.st_size;
  errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
  return -1;
}

/* Where the io library is in the file, once all it has is written there; -1
 * with errno. */
static int64_t tell(FILE *source, int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0)
    return -1;
  if ((flags & O_ACCMODE) == O_WRONLY) {
    errno = EBADF;
    return -1;
  }
  if (fflush(source) != 0 && errno != EBADF) /* of what is only read */
    return -1;
  return ftello(source);
}

bool lev_sendfile_open(lua_State *L, lev_sendfile *file, lua_Integer offset,
                       lua_Integer length) {
  FILE *source =
      lev_sendfile_checksource(L); /* again: a finalizer may have closed it */
  file->fd = opensource(L, source);
  lev_open(&file->head);
  if (file->fd < 0)
    return false;
  int64_t size = lengthof(file->fd);
  int64_t at = size >= 0 && source != NULL ? tell(source, file->fd) : 0;
  if (size < 0 || at < 0)
    return false;
  if (source != NULL)
    size = lengthof(file->fd);
  file->offset = offset >= 0 ? offset : at;
  file->left = size > file->offset ? size - file->offset : 0;
  if (length >= 0 && length < file->left)
    file->left = length;
  return true;
}
