/* Sending a file. What was queued before goes first, then the file, a piece in
 * each turn of the loop, and behind it what is queued meanwhile. One wait lasts
 * for all of it: the event handler sends, and the task is resumed at the end.
 *
 * An object owns the descriptor. It stands on the stack of the coroutine, as a
 * variable that is closed however the call ends, and among the children of the
 * base; who ends the sending closes it at once. */

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/stream.h"
#include "kernel/convert.h"
#include "kernel/descriptor.h"
#include "kernel/result.h"

enum {
  LEV_BLOCK = 64 * 1024, /* bytes that are read at once where they must be */
  LEV_AT_FILE = 3        /* where the object stands on the stack of a call */
};

/* Sending. */

void lev_sendfile_end(lev_stream *self, int code) {
  lev_sendfile *file = self->file;
  if (file == NULL)
    return;
  self->file = NULL;
  file->stream = NULL;
  file->code = code;
  lev_close(self->head.base->state->main, &file->head);
}

static void progress(lev_sendfile *file, ssize_t n) {
  file->offset += n;
  file->left -= n;
  file->sent += n;
  if (file->timeout >= 0)
    file->active = lev_now();
}

/* Fills the block, which is empty: 0, or why there is nothing in it. */
static int readblock(lev_sendfile *file) {
  size_t n = file->left < LEV_BLOCK ? (size_t)file->left : LEV_BLOCK;
  if (file->block == NULL)
    file->block = malloc(LEV_BLOCK);
  if (file->block == NULL)
    return ENOMEM;
  ssize_t got;
  do {
    got = pread(file->fd, file->block, n, (off_t)file->offset);
  } while (got < 0 && errno == EINTR);
  file->from = 0;
  file->to = got > 0 ? (size_t)got : 0;
  return got > 0 ? 0 : got < 0 ? errno : EIO;
}

/* Sends a piece by way of our memory. */
static int copy(lev_stream *self, lev_sendfile *file) {
  int code = file->from == file->to ? readblock(file) : 0;
  while (code == 0 && file->from < file->to) {
    struct iovec v = { file->block + file->from, file->to - file->from };
    ssize_t sent = lev_stream_transmit(self, &v, 1);
    if (sent <= 0)
      break;
    file->from += (size_t)sent;
    progress(file, sent);
  }
  return code;
}

/* Whether another way may work; it tells whether the file is to blame. */
static bool isodd(int code) {
  return code == EINVAL || code == ENOSYS || code == EOPNOTSUPP ||
         code == EOVERFLOW || code == EBADF || code == EIO;
}

/* Sends a piece: 0, or what is wrong with the file. */
static int piece(lev_stream *self, lev_sendfile *file) {
  if (file->copies || self->transport->sendfile == NULL)
    return copy(self, file);
  size_t n = file->left < LEV_AREA ? (size_t)file->left : LEV_AREA;
  ssize_t sent = self->transport->sendfile(self->session, self->fd, file->fd,
                                           file->offset, n);
  if (sent < 0 && isodd(errno)) {
    file->copies = true;
    return copy(self, file);
  }
  if (sent == 0)
    return EIO;
  if (lev_stream_noted(self, sent) > 0)
    progress(file, sent);
  return 0;
}

void lev_sendfile_piece(lev_stream *self) {
  lev_sendfile *file = self->file;
  int code = piece(self, file);
  if (code != 0 || file->left == 0)
    lev_sendfile_end(self, code); /* unless the stream is broken */
}

/* The object. */

/* The stream goes on without the file. */
static void spare(lev_stream *stream) {
  bool usable = stream->head.open || stream->head.lingering;
  if (!usable || lev_isforeign(stream->head.base))
    return;
  if (stream->generation == lev_generation())
    lev_stream_shutif(stream);
  lev_stream_watch(stream);
}

static void free_sendfile(lua_State *L, lev_object *object) {
  lev_sendfile *file = (lev_sendfile *)object;
  lev_stream *stream = file->stream;
  (void)L;
  if (file->fd >= 0)
    lev_fd_close(object->base->state, file->fd);
  file->fd = -1;
  free(file->block);
  file->block = NULL;
  if (stream == NULL)
    return;
  stream->file = NULL; /* it was cut short */
  file->stream = NULL;
  file->code = ECANCELED;
  if (stream->writer != NULL)
    lev_task_wake(stream->writer, LEV_CLOSED);
  spare(stream);
}

static bool pending_sendfile(const lev_object *object) {
  return ((const lev_sendfile *)object)->stream != NULL;
}

static void describe_sendfile(lua_State *L, const lev_object *object) {
  const lev_sendfile *file = (const lev_sendfile *)object;
  lua_pushfstring(L, "fd %d, %I bytes sent, %I left", file->fd,
                  (LUAI_UACINT)file->sent, (LUAI_UACINT)file->left);
}

static int fd_sendfile(const lev_object *object) {
  return ((const lev_sendfile *)object)->fd;
}

static const luaL_Reg methods[] = {
  { NULL, NULL },
};

const lev_type lev_sendfile_type = {
  .name = "libevent.sendfile",
  .size = sizeof(lev_sendfile),
  .uservalues = 1,
  .methods = methods,
  .free = free_sendfile,
  .pending = pending_sendfile,
  .describe = describe_sendfile,
  .fd = fd_sendfile,
};

/* The call. */

static int sendfilek(lua_State *L, int status, lua_KContext state);

/* The continuation looks whether it is. */
static bool islate(lev_task *task) {
  (void)task;
  return true;
}

static void giveup(lev_stream *self) {
  if (self->file == NULL)
    return;
  lev_sendfile_end(self, ECANCELED);
  spare(self);
}

static void left(lev_task *task) {
  giveup((lev_stream *)task->object);
}

static const lev_waitkind sending = {
  .what = "sendfile",
  .k = sendfilek,
  .late = islate,
  .left = left,
};

/* Pushes how much was sent, or why not all was. */
static int conclude(lua_State *L, const lev_sendfile *file) {
  int code = file->code;
  if (code == 0) {
    lua_pushinteger(L, file->sent);
    return 1;
  }
  if (code == ECANCELED)
    lev_closed(L);
  else
    lev_failure(L, "sendfile", code);
  lua_pushinteger(L, file->sent);
  return 4;
}

/* The task waits until the stream has no file any more. */
static int await(lua_State *L, lev_stream *self, lev_sendfile *file,
                 lev_task *task) {
  if (self->file != file)
    return conclude(L, file);
  if (lev_stream_watch(self))
    return lev_task_yield(L, task, &sending, &self->writer, &self->head);
  lev_sendfile_end(self, errno);
  return conclude(L, file);
}

/* The time is over, unless something was sent meanwhile. */
static int overdue(lua_State *L, lev_stream *self, lev_sendfile *file) {
  lev_task *task = self->head.base->state->running;
  double rest = -1;
  lev_stream_send(self);
  if (file->timeout >= 0)
    rest = fmax(file->active + file->timeout - lev_now(), 0);
  lev_task_prepare(L, task, &sending, rest);
  if (rest != 0 || self->file != file)
    return await(L, self, file, task);
  giveup(self);
  lev_timedout(L);
  lua_pushinteger(L, file->sent);
  return 4;
}

static int sendfilek(lua_State *L, int status, lua_KContext state) {
  (void)status;
  lev_task_woken(L, state);
  lev_stream *self = lev_task_object(state);
  lev_sendfile *file = lev_toobject(L, LEV_AT_FILE);
  return self->file == file ? overdue(L, self, file) : conclude(L, file);
}

/* Sends what it can at once; the task stands ready to wait. */
static int begin(lua_State *L, lev_stream *self, lev_sendfile *file,
                 lev_task *task) {
  if (!self->head.open || !file->head.open) /* by a finalizer */
    file->code = ECANCELED;
  else if (self->broken || self->shut)
    file->code = self->error != 0 ? self->error : EPIPE;
  if (file->code != 0 || file->left == 0)
    return conclude(L, file);
  file->before = lev_stream_unsent(self);
  file->active = file->timeout >= 0 ? lev_now() : 0;
  file->stream = self;
  self->file = file;
  lev_stream_send(self);
  if (self->file != file)
    lev_stream_settle(L, self);
  return await(L, self, file, task);
}

static lua_Integer optbytes(lua_State *L, int arg, lua_Integer absent) {
  static const lua_Integer most = (lua_Integer)1 << 53;
  return lua_isnoneornil(L, arg) ? absent : lev_checkrange(L, arg, 0, most);
}

/***
Sends a file, or a part of it, behind what was written before; what is written
meanwhile, by callbacks, comes after it. Only a task can. The loop goes on: it
sends at most 256 KiB at a time, on Linux without a copy in memory.

The file must be a regular one. What is open in the io library may be closed at
once, and keeps its position; what is buffered there is written first. A part
that ends behind the end of the file ends there. What becomes of a file that is
written to meanwhile is not said: old bytes may be sent, or new ones.
@function stream:sendfile
@param file string|file A path, or an open file of the io library.
@param offset? integer Bytes before the part; for an open file its position by
default, else 0.
@param length? integer Bytes; all until the end by default.
@param timeout? number Seconds without any progress; as @{stream:timeouts} has
it by default.
@return integer? bytes How many were sent.
@return string? message
@return integer? code Why the file cannot be opened or read: `EISDIR`, `EINVAL`
for what is no regular file, `EIO` if it has become shorter meanwhile; or as for
@{stream:write}.
@return integer? sent Then, too, how many bytes of the file were handed over, if
it was opened; the rest does not follow.
*/
int l_stream_sendfile(lua_State *L) {
  lev_stream *self = lev_stream_self(L);
  lev_sendfile_checksource(L);
  lua_Integer offset = optbytes(L, 3, -1), length = optbytes(L, 4, -1);
  double timeout = lev_opttimeout(L, 5);
  lev_task *task = lev_task_checkat(L, &self->head);
  if (self->writer != NULL && lev_task_waits(self->writer))
    return lev_task_busy(L, self->writer, "output");
  if (timeout < 0 && self->timeout[1] > 0)
    timeout = (double)self->timeout[1];
  lua_settop(L, 2);
  lua_getiuservalue(L, 1, LEV_UV_BASE);
  lev_sendfile *file = lev_new(L, 3, &lev_sendfile_type);
  lua_replace(L, LEV_AT_FILE);
  lua_toclose(L, LEV_AT_FILE);
  file->fd = -1;
  file->timeout = timeout;
  if (!lev_sendfile_open(L, file, offset, length))
    return lev_failure(L, "sendfile", errno);
  lev_task_prepare(L, task, &sending, timeout);
  return begin(L, self, file, task);
}
