/* Reading from a stream. */

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "io/stream.h"
#include "kernel/convert.h"
#include "kernel/result.h"

static int readk(lua_State *L, int status, lua_KContext state);

static const lev_waitkind reading = {
  .what = "read",
  .k = readk,
  .late = lev_stream_late,
};

/* Pushes why there is nothing. */
static int nothing(lua_State *L, lev_stream *self, int code) {
  self->failure = (short)code;
  switch (code) {
  case 0:
    lua_pushnil(L);
    return 1;
  case ETIMEDOUT:
    if (self->end_code == ETIMEDOUT) /* by the system, not by us */
      break;
    return lev_timedout(L);
  case ECANCELED:
    return lev_closed(L);
  case ENODATA:
    return lev_because(L, "read: the input ended early", code);
  default:
    break;
  }
  return lev_failure(L, "read", code);
}

/* The stream is at 1; for LEV_UNTIL the delimiter is at 2. */
static int await(lua_State *L, lev_stream *self, const lev_request *request,
                 double timeout) {
  lev_task *task = lev_task_checkat(L, &self->head);
  if (self->called || self->sink != NULL)
    return luaL_error(L, "the stream %s",
                      self->called ? "has a read callback" : "is relayed");
  if (self->reader != NULL && lev_task_waits(self->reader))
    return lev_task_busy(L, self->reader, "input");
  lev_task_prepare(L, task, &reading, timeout);
  self->request = *request;
  if (request->form == LEV_UNTIL) { /* the coroutine may be closed */
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, 1, LEV_UV_READCB);
  }
  if (!self->watched) {
    self->reader = task; /* it counts for what is watched */
    bool ok = lev_stream_watch(self);
    self->reader = NULL;
    if (!ok)
      return nothing(L, self, errno);
  }
  return lev_task_yield(L, task, &reading, &self->reader, &self->head);
}

/* Returns what is requested, waits for it, or tells why it will not come. */
static int answer(lua_State *L, lev_stream *self, lev_request *request,
                  double timeout) {
  lev_found found;
  while (self->head.open) {
    switch (lev_stream_judge(self, request, &found)) {
    case LEV_UNDECIDED:
      return await(L, self, request, timeout);
    case LEV_NEVER:
      return nothing(L, self, found.code);
    default:
      if (lev_stream_take(L, self, &found, request->peeks)) {
        self->failure = 0;
        return 1;
      }
    }
  }
  return nothing(L, self, ECANCELED);
}

static int readk(lua_State *L, int status, lua_KContext state) {
  (void)status;
  lev_outcome outcome = lev_task_woken(L, state);
  lev_stream *self = lev_task_object(state);
  if (outcome != LEV_HAPPENED)
    return nothing(L, self, outcome == LEV_TIMEDOUT ? ETIMEDOUT : ECANCELED);
  double due = lev_task_running(state)->due;
  double now = due > 0 ? lev_now() : 0;
  lev_request request = self->request;
  return answer(L, self, &request, due > 0 ? fmax(due - now, 0) : -1);
}

/* The timeout of a call, or the stream's. */
static double opttimeout(lua_State *L, int arg, const lev_stream *self) {
  if (!lua_isnoneornil(L, arg))
    return lev_checkseconds(L, arg);
  return self->timeout[0] > 0 ? (double)self->timeout[0] : -1;
}

/* Argument 1, of which nobody reads. */
static lev_stream *checkfree(lua_State *L) {
  lev_stream *self = lev_self(L, &lev_stream_type);
  if (self->reader != NULL && lev_task_waits(self->reader))
    lev_task_busy(L, self->reader, "input");
  return self;
}

static uint32_t checksize(lua_State *L, int arg) {
  return (uint32_t)lev_checkint(L, arg, 0, INT32_MAX);
}

static uint32_t optsize(lua_State *L, int arg, uint32_t absent) {
  return lua_isnoneornil(L, arg) ? absent : checksize(L, arg);
}

/* What a read is to give, as file:read has it. */
static lev_request checkform(lua_State *L, int arg, const lev_stream *self) {
  if (lua_isnoneornil(L, arg))
    return (lev_request){ .form = LEV_SOME, .n = UINT32_MAX };
  if (lua_type(L, arg) == LUA_TNUMBER)
    return (lev_request){ .form = LEV_EXACTLY, .n = checksize(L, arg) };
  size_t length;
  const char *form = luaL_checklstring(L, arg, &length);
  switch (length == 1 ? form[0] : '\0') {
  case 'l':
    return (lev_request){ .form = LEV_LINE, .n = self->max_line };
  case 'L':
    return (
        lev_request){ .form = LEV_LINE, .n = self->max_line, .keeps = true };
  case 'a':
    return (lev_request){ .form = LEV_ALL, .n = self->max_all };
  default:
    luaL_argerror(L, arg, "'l', 'L', 'a' or a number of bytes expected");
    return (lev_request){ .n = 0 };
  }
}

/***
Reads, as `file:read` does, and waits for it where it must; only a task can.
Once the input has ended, what is left of it can still be read.
@function stream:read
@param what? string|integer `"l"`: a line without its end, be that `"\n"` or
`"\r\n"`; `"L"`: with it; `"a"`: all until the end; a number: exactly so many
bytes. None: what there is, at least one byte.
@param timeout? number Seconds; as @{stream:timeouts} has it by default.
@return string? bytes nil alone at the end of the input.
@return string? message
@return integer? code `ETIMEDOUT`; `ENODATA` if the input ended before all of it
had come; `EMSGSIZE` if the line, or all, is longer than the stream allows;
`ECANCELED` if the stream was closed; another errno value if the connection
broke. Nothing is lost by any of them: what has come can be read in another way.
*/
int l_stream_read(lua_State *L) {
  lev_stream *self = checkfree(L);
  lev_request request = checkform(L, 2, self);
  double timeout = opttimeout(L, 3, self);
  lua_settop(L, 1);
  return answer(L, self, &request, timeout);
}

/***
Reads what there is, but no more than so much; waits where there is nothing.
@function stream:readsome
@param n integer Bytes, at least 1.
@param timeout? number Seconds.
@return string? bytes nil alone at the end of the input.
@return string? message
@return integer? code As for @{stream:read}.
*/
int l_stream_readsome(lua_State *L) {
  lev_stream *self = checkfree(L);
  uint32_t n = (uint32_t)lev_checkint(L, 2, 1, INT32_MAX);
  double timeout = opttimeout(L, 3, self);
  lev_request request = { .form = LEV_SOME, .n = n };
  lua_settop(L, 1);
  return answer(L, self, &request, timeout);
}

/***
Reads until a delimiter, which is read and not returned.
@function stream:readuntil
@param delimiter string Any bytes, at least one.
@param max? integer Bytes before it; as many as a line may have by default.
@param timeout? number Seconds.
@return string? bytes nil alone at the end of the input.
@return string? message
@return integer? code As for @{stream:read}.
*/
int l_stream_readuntil(lua_State *L) {
  size_t length;
  lev_stream *self = checkfree(L);
  luaL_checktype(L, 2, LUA_TSTRING);
  const char *delimiter = lua_tolstring(L, 2, &length);
  luaL_argcheck(L, length > 0 && length <= UINT16_MAX, 2,
                "1 to 65535 bytes expected");
  uint32_t max = optsize(L, 3, self->max_line);
  double timeout = opttimeout(L, 4, self);
  lev_request request = { .form = LEV_UNTIL,
                          .n = max,
                          .delimiter = delimiter,
                          .length = (uint16_t)length };
  lua_settop(L, 2);
  return answer(L, self, &request, timeout);
}

/* A format of string.pack with one string behind its length: an order of bytes,
 * `s`, and how many bytes the length has. */
static bool parseformat(const char *format, lev_request *request) {
  static const union {
    uint16_t number;
    uint8_t first;
  } order = { 1 };
  request->big = order.first == 0;
  for (; *format != '\0' && strchr("<>=", *format) != NULL; format++)
    request->big = *format == '>' || (*format == '=' && order.first == 0);
  if (*format++ != 's')
    return false;
  request->prefix = sizeof(size_t);
  if (*format >= '1' && *format <= '8')
    request->prefix = (uint8_t)(*format++ - '0');
  return *format == '\0';
}

/***
Reads bytes that stand behind their length, as `string.pack` with the same
format puts them.
@function stream:readframe
@param format string Such as `">s4"`: the order of bytes, `<`, `>` or `=`, then
`s` and the bytes of the length, 1 to 8.
@param max? integer Bytes without the length; as many as `read "a"` may give by
default.
@param timeout? number Seconds.
@return string? bytes nil alone at the end of the input.
@return string? message
@return integer? code As for @{stream:read}.
*/
int l_stream_readframe(lua_State *L) {
  lev_stream *self = checkfree(L);
  lev_request request = { .form = LEV_FRAME };
  luaL_argcheck(L, parseformat(luaL_checkstring(L, 2), &request), 2,
                "format such as '>s4' expected");
  request.n = optsize(L, 3, self->max_all);
  double timeout = opttimeout(L, 4, self);
  lua_settop(L, 1);
  return answer(L, self, &request, timeout);
}

/***
Returns bytes that stay to be read; waits until they have come.
@function stream:peek
@param n? integer Exactly so many; what there is by default.
@param timeout? number Seconds.
@return string? bytes nil alone at the end of the input.
@return string? message
@return integer? code As for @{stream:read}.
*/
int l_stream_peek(lua_State *L) {
  lev_stream *self = checkfree(L);
  lev_request request = { .form = LEV_SOME, .n = UINT32_MAX, .peeks = true };
  if (!lua_isnoneornil(L, 2)) {
    request.form = LEV_EXACTLY;
    request.n = checksize(L, 2);
  }
  double timeout = opttimeout(L, 3, self);
  lua_settop(L, 1);
  return answer(L, self, &request, timeout);
}

/***
Puts bytes back in front of the input: they are read next.
@function stream:unread
@param bytes string
*/
int l_stream_unread(lua_State *L) {
  size_t length;
  lev_stream *self = checkfree(L);
  luaL_checktype(L, 2, LUA_TSTRING);
  const char *bytes = lua_tolstring(L, 2, &length);
  if (self->sink != NULL)
    return luaL_error(L, "the stream is relayed");
  self->changes++;
  if (self->head.base->area.owner == &self->head)
    lev_stream_cleararea(self->head.base);
  if (self->input == NULL)
    self->input = evbuffer_new();
  if (self->input == NULL || evbuffer_prepend(self->input, bytes, length) != 0)
    return lev_nomemory(L);
  if (self->called && self->enabled)
    lev_stream_later(self);
  lev_stream_update(L, self);
  return 0;
}

/* The iterator: its upvalues are the stream, the form, and the timeout. */
static int nextline(lua_State *L) {
  lua_settop(L, 0);
  for (int i = 1; i <= 3; i++)
    lua_pushvalue(L, lua_upvalueindex(i));
  const lev_stream *stream = lev_toobject(L, 1);
  if (!stream->head.open) {
    lua_pushnil(L);
    return 1;
  }
  lev_stream *self = checkfree(L);
  lev_request request = checkform(L, 2, self);
  double timeout = opttimeout(L, 3, self);
  lua_settop(L, 1);
  return answer(L, self, &request, timeout);
}

/***
Returns an iterator that reads again and again; the loop ends at the end of the
input, and at an error or timeout, which @{stream:error} tells of.
@function stream:lines
@param what? string|integer As for @{stream:read}; `"l"` by default.
@param timeout? number Seconds for each.
@return function iterator
*/
int l_stream_lines(lua_State *L) {
  lev_stream *self = lev_stream_self(L);
  lua_settop(L, 3);
  if (lua_isnil(L, 2)) {
    lua_pushliteral(L, "l");
    lua_replace(L, 2);
  }
  checkform(L, 2, self);
  opttimeout(L, 3, self);
  lua_pushcclosure(L, nextline, 3);
  return 1;
}
