/* Looking for bytes and lines in an evbuffer. */

#include "kernel/bytes.h"
#include "types/evbuffer.h"

/* A position from 1 on, from the end if negative, as Lua counts; 0 for one
 * before the start. [-0, +0, v] */
static size_t optposition(lua_State *L, int arg, lua_Integer absent,
                          size_t length) {
  lua_Integer at = luaL_optinteger(L, arg, absent);
  if (at < 0)
    at = -(lua_Unsigned)at > length ? 0 : (lua_Integer)length + at + 1;
  return (size_t)at;
}

/* The offset of such a position. [-0, +0, v] */
static size_t optoffset(lua_State *L, int arg, size_t length) {
  size_t at = optposition(L, arg, 1, length);
  return at > 0 ? at - 1 : 0;
}

/* Pushes where n bytes stand that begin at an offset. */
static int pushplace(lua_State *L, ev_ssize_t at, size_t n) {
  lua_pushinteger(L, at + 1);
  lua_pushinteger(L, at + (lua_Integer)n);
  return 2;
}

static int nothing(lua_State *L) {
  lua_pushnil(L);
  return 1;
}

/***
Looks for a string. Wraps `evbuffer_search_range`.
@function evbuffer:search
@param what string
@param init? integer Where to begin, as in `string.find`: 1 by default, from
the end if negative.
@param last? integer Where the string must end at the latest; -1 by default.
@return integer? first Where it begins, or nil if it is not there.
@return integer? last Where it ends.
*/
int l_evbuffer_search(lua_State *L) {
  size_t n;
  struct evbuffer_ptr from, to;
  lev_evbuffer *self = lev_checksource(L, 1);
  const char *what = luaL_checklstring(L, 2, &n);
  lev_stillopen(L, &self->head); /* a number becomes a string */
  size_t length = evbuffer_get_length(self->ptr);
  size_t init = optoffset(L, 3, length);
  size_t end = optposition(L, 4, -1, length);
  if (end > length)
    end = length;
  if (init > end || n > end - init)
    return nothing(L);
  if (n == 0)
    return pushplace(L, (ev_ssize_t)init, 0);
  evbuffer_ptr_set(self->ptr, &from, init, EVBUFFER_PTR_SET);
  evbuffer_ptr_set(self->ptr, &to, end, EVBUFFER_PTR_SET);
  from = evbuffer_search_range(self->ptr, what, n, &from,
                               end < length ? &to : NULL);
  return from.pos < 0 ? nothing(L) : pushplace(L, from.pos, n);
}

static const char *const eols[] = {
  "any", "crlf", "crlf_strict", "lf", "nul", NULL,
};

static const enum evbuffer_eol_style styles[] = {
  EVBUFFER_EOL_ANY, EVBUFFER_EOL_CRLF, EVBUFFER_EOL_CRLF_STRICT,
  EVBUFFER_EOL_LF,  EVBUFFER_EOL_NUL,
};

/***
Looks for the end of a line. Wraps `evbuffer_search_eol`.
@function evbuffer:search_eol
@param eol? string `"crlf"` is LF with or without CR before it, the default;
`"crlf_strict"` CR and LF; `"lf"`; `"nul"` a zero byte; `"any"` any number of
CR and LF.
@param init? integer Where to begin; 1 by default, from the end if negative.
@return integer? first Where the end of the line begins, or nil if it is not
there.
@return integer? last Where it ends.
*/
int l_evbuffer_search_eol(lua_State *L) {
  size_t n;
  struct evbuffer_ptr at;
  lev_evbuffer *self = lev_checksource(L, 1);
  enum evbuffer_eol_style style = styles[luaL_checkoption(L, 2, "crlf", eols)];
  size_t length = evbuffer_get_length(self->ptr);
  size_t init = optoffset(L, 3, length);
  if (init >= length)
    return nothing(L);
  evbuffer_ptr_set(self->ptr, &at, init, EVBUFFER_PTR_SET);
  at = evbuffer_search_eol(self->ptr, &at, &n, style);
  return at.pos < 0 ? nothing(L) : pushplace(L, at.pos, n);
}

/* Pushes the first line of the buffer at 1 and removes it, or pushes nil. */
static int takeline(lua_State *L, lev_evbuffer *self,
                    enum evbuffer_eol_style style) {
  size_t n, length;
  for (;; lua_pop(L, 1)) { /* again if a finalizer has changed the buffer */
    struct evbuffer_ptr at = evbuffer_search_eol(self->ptr, NULL, &n, style);
    if (at.pos < 0)
      return nothing(L);
    length = (size_t)at.pos;
    lev_bytes_push(L, &self->head, self->ptr, 0, length);
    lev_stillopen(L, &self->head);
    at = evbuffer_search_eol(self->ptr, NULL, &n, style);
    if (at.pos == (ev_ssize_t)length &&
        lev_bytes_begin(self->ptr, lua_tostring(L, -1), length))
      break;
  }
  evbuffer_drain(self->ptr, length + n);
  lev_evbuffer_changed(L, self, 1);
  return 1;
}

/***
Removes the first line and returns it without its end. Does the work of
`evbuffer_readln`.
@function evbuffer:readln
@param eol? string As for @{evbuffer:search_eol}; `"crlf"` by default.
@return string? line nil if no line is complete.
*/
int l_evbuffer_readln(lua_State *L) {
  lev_evbuffer *self = lev_checksource(L, 1);
  return takeline(L, self, styles[luaL_checkoption(L, 2, "crlf", eols)]);
}

/* The next line of the buffer that is the first upvalue. */
static int nextline(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  lev_evbuffer *self = lev_toobject(L, 1);
  if (!self->head.open) /* in the body of the loop */
    return nothing(L);
  self = lev_checksource(L, 1);
  return takeline(L, self, styles[lua_tointeger(L, lua_upvalueindex(2))]);
}

/***
Returns an iterator that removes line after line, until none is complete or the
buffer is closed.
@function evbuffer:lines
@param eol? string As for @{evbuffer:search_eol}; `"crlf"` by default.
@return fun():string? next
*/
int l_evbuffer_lines(lua_State *L) {
  lev_checksource(L, 1);
  int style = luaL_checkoption(L, 2, "crlf", eols);
  lua_settop(L, 1);
  lua_pushinteger(L, style);
  lua_pushcclosure(L, nextline, 2);
  return 1;
}
