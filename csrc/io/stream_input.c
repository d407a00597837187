/* What a stream has read and nobody has taken: it stands in the area of the
 * base or in an evbuffer, never in both. */

#include <errno.h>
#include <string.h>

#include "io/stream.h"

static bool inarea(const lev_stream *self) {
  return self->head.base->area.owner == &self->head;
}

static struct evbuffer *inputbuffer(lev_stream *self) {
  if (self->input == NULL)
    self->input = evbuffer_new();
  return self->input;
}

void lev_stream_cleararea(lev_base *base) {
  lev_stream *self = (lev_stream *)base->area.owner;
  if (self == NULL)
    return;
  base->area.owner = NULL;
  size_t n = base->area.to - base->area.from;
  if (n == 0)
    return;
  struct evbuffer *input = inputbuffer(self);
  if (input == NULL ||
      evbuffer_add(input, base->area.bytes + base->area.from, n) != 0)
    lev_stream_end(self, ENOMEM);
}

void lev_stream_dropinput(lev_stream *self) {
  if (inarea(self))
    self->head.base->area.owner = NULL;
  if (self->input != NULL)
    evbuffer_free(self->input);
  self->input = NULL;
}

/* Copies n bytes from an offset on; there are as many. */
static void copy(const lev_stream *self, size_t from, size_t n, void *to) {
  struct evbuffer_ptr at;
  const lev_base *base = self->head.base;
  if (inarea(self)) {
    memcpy(to, base->area.bytes + base->area.from + from, n);
    return;
  }
  evbuffer_ptr_set(self->input, &at, from, EVBUFFER_PTR_SET);
  evbuffer_copyout_from(self->input, &at, to, n);
}

static void drain(lev_stream *self, size_t n) {
  lev_base *base = self->head.base;
  self->changes++;
  if (!inarea(self)) {
    if (self->input != NULL)
      evbuffer_drain(self->input, n);
    return;
  }
  base->area.from += n;
  if (base->area.from == base->area.to)
    base->area.owner = NULL;
}

/* Where the delimiter stands from an offset on; -1 where it does not. */
static ptrdiff_t search(const lev_stream *self, size_t from, const char *what,
                        size_t length) {
  struct evbuffer_ptr at;
  const lev_base *base = self->head.base;
  if (lev_stream_unread(self) < from + length)
    return -1;
  if (inarea(self)) {
    const char *start = base->area.bytes + base->area.from;
    size_t n = base->area.to - base->area.from - from;
    const char *found = length == 1 ? memchr(start + from, what[0], n)
                                    : memmem(start + from, n, what, length);
    return found != NULL ? found - start : -1;
  }
  evbuffer_ptr_set(self->input, &at, from, EVBUFFER_PTR_SET);
  at = evbuffer_search(self->input, what, length, &at);
  return at.pos;
}

/* There will be no more: what that means for one who wants more. Only some
 * bytes left are an error of their own. */
static lev_verdict never(const lev_stream *self, size_t length,
                         lev_found *found) {
  if (!self->ended)
    return LEV_UNDECIDED;
  found->code = self->end_code != 0 ? self->end_code : length > 0 ? ENODATA : 0;
  return LEV_NEVER;
}

static lev_verdict toolong(lev_found *found) {
  found->code = EMSGSIZE;
  return LEV_NEVER;
}

/* A line, or what a delimiter ends. */
static lev_verdict judgeuntil(const lev_stream *self, lev_request *request,
                              size_t length, lev_found *found) {
  bool line = request->form == LEV_LINE;
  size_t end = line ? 1 : request->length;
  ptrdiff_t at =
      search(self, request->scanned, line ? "\n" : request->delimiter, end);
  if (at < 0 && line && self->ended && self->end_code == 0 && length > 0 &&
      length <= request->n) {
    *found = (lev_found){ 0, length, length, 0 };
    return LEV_THERE;
  }
  if (at < 0) {
    request->scanned = length >= end ? (uint32_t)(length - end + 1) : 0;
    return length > request->n + end - 1 ? toolong(found)
                                         : never(self, length, found);
  }
  request->scanned = (uint32_t)at;
  size_t n = (size_t)at;
  if (n > request->n)
    return toolong(found);
  if (line && !request->keeps && n > 0) {
    char before;
    copy(self, n - 1, 1, &before);
    n -= before == '\r';
  }
  *found = (lev_found){ 0, request->keeps ? n + end : n, (size_t)at + end, 0 };
  return LEV_THERE;
}

static lev_verdict judgeframe(const lev_stream *self,
                              const lev_request *request, size_t length,
                              lev_found *found) {
  unsigned char prefix[8];
  uint64_t n = 0;
  if (length < request->prefix)
    return never(self, length, found);
  copy(self, 0, request->prefix, prefix);
  for (int i = 0; i < request->prefix; i++)
    n = n << 8 | prefix[request->big ? i : request->prefix - 1 - i];
  if (n > request->n)
    return toolong(found);
  if (length - request->prefix < n)
    return never(self, length, found);
  *found =
      (lev_found){ request->prefix, (size_t)n, request->prefix + (size_t)n, 0 };
  return LEV_THERE;
}

lev_verdict lev_stream_judge(lev_stream *self, lev_request *request,
                             lev_found *found) {
  size_t length = lev_stream_unread(self);
  size_t n = length;
  switch (request->form) {
  case LEV_SOME:
    if (length == 0)
      return never(self, length, found);
    n = length < request->n ? length : request->n;
    break;
  case LEV_EXACTLY:
    if (length < request->n)
      return never(self, length, found);
    n = request->n;
    break;
  case LEV_ALL:
    if (length > request->n)
      return toolong(found);
    if (!self->ended || self->end_code != 0)
      return never(self, length, found);
    break;
  case LEV_FRAME:
    return judgeframe(self, request, length, found);
  default:
    return judgeuntil(self, request, length, found);
  }
  *found = (lev_found){ 0, n, n, 0 };
  return LEV_THERE;
}

/* Pushes bytes of the buffer; false if a finalizer has changed it. */
static bool pushfrombuffer(lua_State *L, const lev_stream *self, size_t from,
                           size_t n, uint32_t changes) {
  struct evbuffer_iovec v;
  struct evbuffer_ptr at;
  luaL_Buffer b;
  evbuffer_ptr_set(self->input, &at, from, EVBUFFER_PTR_SET);
  if (evbuffer_peek(self->input, (ev_ssize_t)n, &at, &v, 1) == 1) {
    lua_pushlstring(L, v.iov_base, n);
    return true;
  }
  int top = lua_gettop(L);
  char *to = luaL_buffinitsize(L, &b, n);
  if (!self->head.open || self->changes != changes) {
    lua_settop(L, top);
    return false;
  }
  copy(self, from, n, to);
  luaL_pushresultsize(&b, n);
  return true;
}

bool lev_stream_take(lua_State *L, lev_stream *self, const lev_found *found,
                     bool peeks) {
  const lev_base *base = self->head.base;
  uint32_t changes = self->changes;
  if (found->n == 0)
    lua_pushliteral(L, "");
  else if (inarea(self))
    lua_pushlstring(L, base->area.bytes + base->area.from + found->from,
                    found->n);
  else if (!pushfrombuffer(L, self, found->from, found->n, changes))
    return false;
  if (!self->head.open || self->changes != changes) {
    lua_pop(L, 1);
    return false;
  }
  if (!peeks)
    drain(self, found->drain);
  return true;
}
