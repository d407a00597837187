/* Receiving datagrams. */

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "io/udp.h"
#include "kernel/convert.h"
#include "kernel/descriptor.h"
#include "kernel/result.h"

bool lev_udp_watch(lev_udp *self) {
  errno = ENOMEM;
  if (self->watched)
    return true;
  if (event_add(&self->input, NULL) != 0)
    return false;
  self->watched = true;
  self->head.base->watching++;
  return true;
}

void lev_udp_on_read(evutil_socket_t fd, short what, void *arg) {
  lev_udp *self = arg;
  (void)fd, (void)what;
  if (self->reader != NULL && lev_task_waits(self->reader)) {
    lev_task_resume(self->reader);
  } else if (lev_udp_calls(self) && self->head.slot != 0) {
    lev_udp_callback(self);
  } else if (self->watched) {
    event_del(&self->input);
    self->watched = false;
    self->head.base->watching--;
  }
}

/* What is longer than the area has lost its end: none of it is given. */
static bool iscut(const lev_datagram *one) {
  return one->n > LEV_DATAGRAM;
}

/* What an earlier call has left to be told. */
static bool owesfailure(lev_udp *self) {
  errno = self->failure;
  self->failure = 0;
  return errno != 0;
}

/* The area, which is the caller's until it gives it back. */
static char *takearea(lev_base *base) {
  char *area = base->datagrams;
  base->datagrams = NULL;
  return area != NULL ? area : malloc((size_t)LEV_BATCH * LEV_DATAGRAM);
}

static void returnarea(lev_base *base, char *area) {
  if (base->head.open && base->datagrams == NULL)
    base->datagrams = area;
  else
    free(area);
}

bool lev_udp_receive(lev_udp *self, lev_datagram *one) {
  lev_base *base = self->head.base;
  if (owesfailure(self))
    return false;
  errno = ENOMEM;
  if (base->datagrams == NULL && (base->datagrams = takearea(base)) == NULL)
    return false;
  one->bytes = base->datagrams;
  if (!lev_fd_recvfrom(self->fd, one))
    return false;
  errno = EMSGSIZE;
  return !iscut(one);
}

void lev_udp_pushsource(lua_State *L, lev_udp *self, int index,
                        const lev_address *from) {
  lev_known *known = &self->source;
  if (known->text != NULL && lev_sameaddress(&known->address, from)) {
    lua_getiuservalue(L, index, LEV_UV_SOURCE);
    return;
  }
  lev_pushaddress(L, from);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, index, LEV_UV_SOURCE);
  known->text = lua_tolstring(L, -1, &known->length);
  memcpy(&known->address.storage, &from->storage, from->length);
  known->address.length = from->length;
}

/* Datagrams, as they are turned into a table: the area is theirs meanwhile,
 * since a finalizer may receive others. */
typedef struct batch {
  lev_udp *self;
  char *area;
  int n;
  lev_datagram list[LEV_BATCH];
} batch;

/* The socket at 1, the batch at 2. */
static int pushlist(lua_State *L) {
  batch *b = lua_touserdata(L, 2);
  int count = 0;
  lua_createtable(L, 2 * b->n, 0);
  for (int i = 0; i < b->n; i++) {
    const lev_datagram *one = &b->list[i];
    if (iscut(one)) {
      b->self->failure = EMSGSIZE;
      continue;
    }
    lua_pushlstring(L, one->bytes, one->n);
    lua_rawseti(L, 3, ++count);
    lev_udp_pushsource(L, b->self, 1, &one->from);
    lua_rawseti(L, 3, ++count);
  }
  lua_pushinteger(L, count / 2);
  return 2;
}

/* Pushes the list and its length; false with errno if there is nothing. */
static bool receivelist(lua_State *L, lev_udp *self, int most) {
  lev_base *base = self->head.base;
  batch b = { .self = self };
  if (owesfailure(self))
    return false;
  b.area = takearea(base);
  errno = ENOMEM;
  for (int i = 0; i < most && b.area != NULL; i++)
    b.list[i].bytes = b.area + (size_t)i * LEV_DATAGRAM;
  if (b.area != NULL)
    b.n = lev_fd_recvbatch(self->fd, b.list, most);
  int code = errno, status = LUA_OK;
  bool got = b.area != NULL && b.n > 0;
  if (got) {
    self->burst += b.n;
    lua_pushcfunction(L, pushlist);
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, &b);
    status = lua_pcall(L, 2, 2, 0);
  }
  returnarea(base, b.area);
  if (status != LUA_OK)
    lua_error(L);
  if (got && lua_tointeger(L, -1) == 0) {
    lua_pop(L, 2);
    return !owesfailure(self);
  }
  errno = code;
  return got;
}

/* Pushes a datagram and its sender; false with errno if there is none. */
static bool receiveone(lua_State *L, lev_udp *self) {
  lev_datagram one;
  if (!lev_udp_receive(self, &one))
    return false;
  self->burst++;
  lua_pushlstring(L, one.bytes, one.n);
  lev_udp_pushsource(L, self, 1, &one.from);
  return true;
}

static int onek(lua_State *L, int status, lua_KContext state);
static int listk(lua_State *L, int status, lua_KContext state);

/* What comes in the same moment counts. */
static bool late(lev_task *reader) {
  return lev_fd_ready(((lev_udp *)reader->object)->fd, POLLIN) != 0;
}

static const lev_waitkind receiving[] = {
  { .what = "recvfrom", .k = onek, .late = late },
  { .what = "recvbatch", .k = listk, .late = late },
};

/* Lets others run. */
static const lev_waitkind passing[] = {
  { .what = "recvfrom", .k = onek, .over = true },
  { .what = "recvbatch", .k = listk, .over = true },
};

static const char *const names[] = { "recvfrom", "recvbatch" };

static int await(lua_State *L, lev_udp *self, bool list, double timeout) {
  lev_task *task = lev_task_checkat(L, &self->head);
  if (lev_udp_calls(self))
    return luaL_error(L, "the socket has a read callback");
  if (self->reader != NULL && lev_task_waits(self->reader))
    return lev_task_busy(L, self->reader, "input");
  lev_task_prepare(L, task, &receiving[list], timeout);
  if (!self->head.open)
    return lev_closed(L);
  if (!lev_udp_watch(self))
    return lev_failure(L, names[list], errno);
  return lev_task_yield(L, task, &receiving[list], &self->reader, &self->head);
}

/* Whether the running task has had its share. */
static bool isover(lua_State *L, const lev_udp *self) {
  const lev_state *state = self->head.base->state;
  if (self->burst < LEV_UDP_BURST || !lev_istask(L, state) ||
      !lua_isyieldable(L))
    return false;
  const lev_object *task = &state->running->head;
  return task->open || task->lingering;
}

static void left(lev_hold *turn) {
  (void)turn;
}

static int pass(lua_State *L, lev_udp *self, bool list, double timeout) {
  lev_task *task = self->head.base->state->running;
  self->burst = 0;
  lev_task_prepare(L, task, &passing[list], timeout);
  lev_task_unhold(&self->turn); /* of one that has lost its coroutine */
  self->turn.left = left;
  lev_task_hold(task, &self->turn);
  return lev_task_yield(L, task, &passing[list], NULL, &self->head);
}

/* Receives or waits. The socket is at 1; for a list, its length is at 2. */
static int receive(lua_State *L, lev_udp *self, bool list, double timeout) {
  if (isover(L, self))
    return pass(L, self, list, timeout);
  if (list ? receivelist(L, self, (int)lua_tointeger(L, 2))
           : receiveone(L, self))
    return 2;
  if (errno != EAGAIN && errno != EWOULDBLOCK)
    return lev_failure(L, names[list], errno);
  return await(L, self, list, timeout);
}

/* The task takes its turn, if that was kept for it. */
static void take(lev_udp *self, const lev_task *task) {
  if (self->turn.task == task)
    lev_task_unhold(&self->turn);
}

static int go_on(lua_State *L, bool list, lua_KContext state) {
  if (lev_istask(L, (const lev_state *)state))
    take(lev_task_object(state), lev_task_running(state));
  lev_outcome outcome = lev_task_woken(L, state);
  lev_udp *self = lev_task_object(state);
  if (outcome == LEV_TIMEDOUT)
    return lev_timedout(L);
  if (outcome == LEV_CLOSED || !self->head.open)
    return lev_closed(L);
  double due = lev_task_running(state)->due;
  self->burst = 0;
  return receive(L, self, list, due > 0 ? fmax(due - lev_now(), 0) : -1);
}

static int onek(lua_State *L, int status, lua_KContext state) {
  (void)status;
  return go_on(L, false, state);
}

static int listk(lua_State *L, int status, lua_KContext state) {
  (void)status;
  return go_on(L, true, state);
}

void lev_udp_checkfree(lua_State *L, const lev_udp *self) {
  const lev_task *next = self->turn.task;
  if (self->reader != NULL && lev_task_waits(self->reader))
    lev_task_busy(L, self->reader, "input");
  if (next != NULL && lua_status(next->co) == LUA_YIELD)
    lev_task_busy(L, next, "input");
}

/* Argument 1, of which nobody receives. */
static lev_udp *checkfree(lua_State *L) {
  lev_udp *self = lev_udp_self(L);
  lev_udp_checkfree(L, self);
  return self;
}

/***
Receives one datagram, and waits for it where there is none; only a task can.
After 64 that had come already, others run before the next one, which they
cannot take.
@function udp:recvfrom
@param timeout? number Seconds.
@return string? data It may be empty.
@return string? peer The address of who has sent it; the message where the first
is nil.
@return integer? code `ETIMEDOUT`; `ECANCELED` if the socket was closed; or
another errno value, such as `ECONNREFUSED` where the peer of a connected socket
has nobody to receive, and the socket stays what it was.
*/
int l_udp_recvfrom(lua_State *L) {
  lev_udp *self = checkfree(L);
  double timeout = lev_opttimeout(L, 2);
  lua_settop(L, 1);
  return receive(L, self, false, timeout);
}

/***
Receives the datagrams that have come, with one system call where the system has
one for that; waits where there are none. Only a task can.
@function udp:recvbatch
@param max integer How many at most; never more than 64 come.
@param timeout? number Seconds.
@return string[]? list Data and the address of who has sent it in turn: `{ data,
peer, data, peer }`.
@return integer|string n How many datagrams; the message where the first is nil.
@return integer? code As for @{udp:recvfrom}.
*/
int l_udp_recvbatch(lua_State *L) {
  lev_udp *self = checkfree(L);
  int most = lev_checkint(L, 2, 1, INT32_MAX);
  double timeout = lev_opttimeout(L, 3);
  lua_settop(L, 1);
  lua_pushinteger(L, most < LEV_BATCH ? most : LEV_BATCH);
  return receive(L, self, true, timeout);
}
