/* Sending datagrams. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "io/udp.h"
#include "kernel/convert.h"
#include "kernel/result.h"

static const char *const names[] = { "sendto", "send", "sendbatch" };

typedef enum form { TO, PLAIN, BATCH } form;

void lev_udp_on_write(evutil_socket_t fd, short what, void *arg) {
  lev_udp *self = arg;
  (void)fd, (void)what;
  if (self->writer != NULL && lev_task_waits(self->writer))
    lev_task_resume(self->writer);
}

/* Whether that is the text at an index. Two short strings that are the same are
 * one. */
static bool isknown(const lev_known *known, const char *text, size_t length) {
  return known->text == text ||
         (known->text != NULL && known->length == length &&
          memcmp(known->text, text, length) == 0);
}

/* The address that a string says, if it was the last one from or to which a
 * datagram went. */
static const lev_address *recall(const lev_udp *self, const char *text,
                                 size_t length) {
  return isknown(&self->target, text, length)   ? &self->target.address
         : isknown(&self->source, text, length) ? &self->source.address
                                                : NULL;
}

/* Argument 'arg'; the socket is at 1. */
static const lev_address *checktarget(lua_State *L, lev_udp *self, int arg) {
  size_t length;
  lev_address a;
  if (lua_type(L, arg) == LUA_TSTRING) {
    const char *text = lua_tolstring(L, arg, &length);
    const lev_address *known = recall(self, text, length);
    if (known != NULL)
      return known;
  }
  lev_checkaddress(L, arg, &a);
  lua_pushvalue(L, arg);
  lua_setiuservalue(L, 1, LEV_UV_TARGET);
  self->target.text = lua_tolstring(L, arg, &self->target.length);
  self->target.address = a;
  return &self->target.address;
}

/* Waiting. */

static int tok(lua_State *L, int status, lua_KContext state);
static int plaink(lua_State *L, int status, lua_KContext state);
static int batchk(lua_State *L, int status, lua_KContext state);

/* Nobody waits for the event any more. */
static void left(lev_task *writer) {
  event_del(&((lev_udp *)writer->object)->output);
}

static const lev_waitkind sending[] = {
  { .what = "sendto", .k = tok, .left = left },
  { .what = "send", .k = plaink, .left = left },
  { .what = "sendbatch", .k = batchk, .left = left },
};

static bool isfull(void) {
  return errno == EAGAIN || errno == EWOULDBLOCK;
}

static bool istask(lua_State *L, const lev_udp *self) {
  const lev_base *base = self->head.base;
  return lev_istask(L, base->state) && base->state->running->head.base == base;
}

static int await(lua_State *L, lev_udp *self, form f, double timeout) {
  if (!istask(L, self) || !lua_isyieldable(L))
    return lev_failure(L, names[f], EAGAIN);
  lev_task *task = lev_task_checkat(L, &self->head);
  if (self->writer != NULL && lev_task_waits(self->writer))
    return lev_task_busy(L, self->writer, "output");
  lev_task_prepare(L, task, &sending[f], timeout);
  if (!self->head.open)
    return lev_closed(L);
  errno = ENOMEM;
  if (event_add(&self->output, NULL) != 0)
    return lev_failure(L, names[f], errno);
  return lev_task_yield(L, task, &sending[f], &self->writer, &self->head);
}

/* In a continuation: 0 if it goes on, else how many results tell why not. */
static int woken(lua_State *L, lua_KContext state) {
  lev_outcome outcome = lev_task_woken(L, state);
  const lev_udp *self = lev_task_object(state);
  if (outcome == LEV_TIMEDOUT)
    return lev_timedout(L);
  if (outcome == LEV_CLOSED || !self->head.open)
    return lev_closed(L);
  return 0;
}

/* What is left of the timeout. */
static double rest(const lev_udp *self) {
  double due = self->head.base->state->running->due;
  return due > 0 ? fmax(due - lev_now(), 0) : -1;
}

/* Argument 1, to which nobody else sends. */
static lev_udp *checkfree(lua_State *L) {
  lev_udp *self = lev_udp_self(L);
  if (istask(L, self) && self->writer != NULL && lev_task_waits(self->writer))
    lev_task_busy(L, self->writer, "output");
  return self;
}

/* One datagram: the socket is at 1, the data at 2, the address at 3. */
static int sendone(lua_State *L, lev_udp *self, form f, double timeout) {
  lev_datagram one = { .to = f == TO ? checktarget(L, self, 3) : NULL };
  one.bytes = (void *)(uintptr_t)lua_tolstring(L, 2, &one.n);
  if (!lev_fd_sendto(self->fd, &one))
    return isfull() ? await(L, self, f, timeout)
                    : lev_failure(L, names[f], errno);
  lua_pushinteger(L, (lua_Integer)one.n);
  return 1;
}

static int tok(lua_State *L, int status, lua_KContext state) {
  (void)status;
  int n = woken(L, state);
  lev_udp *self = lev_task_object(state);
  return n > 0 ? n : sendone(L, self, TO, rest(self));
}

static int plaink(lua_State *L, int status, lua_KContext state) {
  (void)status;
  int n = woken(L, state);
  lev_udp *self = lev_task_object(state);
  return n > 0 ? n : sendone(L, self, PLAIN, rest(self));
}

/***
Sends one datagram, at once. Where the system takes none, a task waits until it
does; others get that as a result.
@function udp:sendto
@param data string
@param address string Such as `"127.0.0.1:53"`, or what @{udp:recvfrom} has
returned.
@param timeout? number Seconds.
@return integer? bytes
@return string? message
@return integer? code `ETIMEDOUT`; `ECANCELED` if the socket was closed;
`EAGAIN` outside of tasks; `EMSGSIZE` for more than UDP can carry; or another
errno value, which may be of a datagram before.
*/
int l_udp_sendto(lua_State *L) {
  lev_udp *self = checkfree(L);
  luaL_checktype(L, 2, LUA_TSTRING);
  checktarget(L, self, 3);
  double timeout = lev_opttimeout(L, 4);
  lua_settop(L, 3);
  return sendone(L, self, TO, timeout);
}

/***
Sends one datagram to the peer of a connected socket.
@function udp:send
@param data string
@param timeout? number Seconds.
@return integer? bytes
@return string? message
@return integer? code As for @{udp:sendto}; `EDESTADDRREQ` for a socket that is
not connected.
*/
int l_udp_send(lua_State *L) {
  lev_udp *self = checkfree(L);
  luaL_checktype(L, 2, LUA_TSTRING);
  double timeout = lev_opttimeout(L, 3);
  lua_settop(L, 2);
  return sendone(L, self, PLAIN, timeout);
}

/* Many. */

/* What is on the stack while a list is sent. */
enum { SOCKET = 1, LIST = 2, SENT = 3, TOP = 3 };

static int wrong(lua_State *L, lua_Integer at, const char *what) {
  return luaL_argerror(
      L, LIST, lua_pushfstring(L, "item %I: %s", (LUAI_UACINT)at, what));
}

/* Reads an address of the list: it is among those that are known, or put into
 * 'own'; false instead of one stands for the peer. */
static const lev_address *listed(lua_State *L, const lev_udp *self,
                                 lua_Integer at, lev_address *own) {
  size_t length;
  int type = lua_rawgeti(L, LIST, at);
  bool none = type == LUA_TBOOLEAN && !lua_toboolean(L, -1);
  if (type != LUA_TSTRING && !none)
    wrong(L, at, "address or false expected");
  const char *text = none ? NULL : lua_tolstring(L, -1, &length);
  lua_pop(L, 1);
  if (none)
    return NULL;
  const lev_address *known = recall(self, text, length);
  const char *error =
      known != NULL ? NULL : lev_parseaddress(text, length, own);
  if (error != NULL)
    wrong(L, at, error);
  return known != NULL ? known : own;
}

/* Reads a datagram of the list; the table holds the string. */
static void gather(lua_State *L, const lev_udp *self, lua_Integer at,
                   lev_datagram *one) {
  if (lua_rawgeti(L, LIST, at) != LUA_TSTRING)
    wrong(L, at, "string expected");
  one->bytes = (void *)(uintptr_t)lua_tolstring(L, -1, &one->n);
  lua_pop(L, 1);
  one->to = listed(L, self, at + 1, &one->from);
}

/* Raises before anything is sent if the list is not one of datagrams. */
static void checklist(lua_State *L, const lev_udp *self) {
  lev_datagram one;
  luaL_checktype(L, LIST, LUA_TTABLE);
  lua_Integer n = (lua_Integer)lua_rawlen(L, LIST);
  luaL_argcheck(L, n % 2 == 0, LIST, "data and address in turn expected");
  for (lua_Integer i = 1; i < n; i += 2)
    gather(L, self, i, &one);
}

/* Sends the next datagrams of the list, as many as one call takes; -1 with
 * errno, and 0 if there are none. */
static int sendsome(lua_State *L, const lev_udp *self, lua_Integer done) {
  lev_datagram list[LEV_BATCH];
  lua_Integer count = (lua_Integer)lua_rawlen(L, LIST) / 2 - done;
  int n = count < LEV_BATCH ? (int)count : LEV_BATCH;
  for (int i = 0; i < n; i++)
    gather(L, self, 2 * (done + i) + 1, &list[i]);
  return n > 0 ? lev_fd_sendbatch(self->fd, list, n) : 0;
}

/* Tells how many were sent, in front of why there were no more. */
static int told(lua_State *L, int n) {
  if (lua_tointeger(L, SENT) > 0) {
    lua_pushvalue(L, SENT);
    lua_replace(L, -n - 1);
  }
  return n;
}

static int sendlist(lua_State *L, lev_udp *self, double timeout) {
  lua_Integer done = lua_tointeger(L, SENT);
  int n;
  while ((n = sendsome(L, self, done)) > 0)
    done += n;
  int code = errno;
  lua_pushinteger(L, done);
  lua_replace(L, SENT);
  if (n == 0) {
    lua_settop(L, SENT);
    return 1;
  }
  errno = code;
  return told(L, isfull() ? await(L, self, BATCH, timeout)
                          : lev_failure(L, names[BATCH], code));
}

static int batchk(lua_State *L, int status, lua_KContext state) {
  (void)status;
  int n = woken(L, state);
  lev_udp *self = lev_task_object(state);
  return n > 0 ? told(L, n) : sendlist(L, self, rest(self));
}

/***
Sends datagrams, up to 64 with one system call where the system has one for
that; waits as @{udp:sendto} does.
@function udp:sendbatch
@param list table Data and address in turn, as @{udp:recvbatch} returns them:
`{ data, address, data, address }`; false stands for the peer of a connected
socket.
@param timeout? number Seconds.
@return integer? n How many were sent; nil if not even the first was.
@return string? message Why the next one was not, if there is one.
@return integer? code As for @{udp:sendto}.
*/
int l_udp_sendbatch(lua_State *L) {
  lev_udp *self = checkfree(L);
  double timeout = lev_opttimeout(L, 3);
  lua_settop(L, LIST);
  checklist(L, self);
  lua_pushinteger(L, 0);
  return sendlist(L, self, timeout);
}
