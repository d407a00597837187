/* What lives in another shared object. libevent.toy counts down, one callback
 * each time its deadline comes: it proves lev_api. scramble puts a transport
 * under a stream that changes every byte: it proves lev_transport. */

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/transport.h"
#include "kernel/api.h"

static const lev_api *api;
static const lev_stream_api *streams;

typedef struct toy {
  lev_object head;
  double interval;
  lua_Integer left;
} toy;

static const lev_type lev_toy;

static int l_toy_new(lua_State *L) {
  static const char *const names[] = { "count", "loud", NULL };
  api->self(L, api->event_base);
  double interval = api->checkseconds(L, 2);
  api->checkoptions(L, 3, names);
  luaL_checktype(L, 4, LUA_TFUNCTION);
  toy *self = api->create(L, 1, &lev_toy);
  api->setcallback(L, -1, LEV_UV_CALLBACK, 4);
  self->interval = interval;
  lua_getfield(L, 3, "count");
  self->left = luaL_optinteger(L, -1, 1);
  lua_pop(L, 1);
  api->open(&self->head);
  return 1;
}

static int l_toy_start(lua_State *L) {
  toy *self = api->self(L, &lev_toy);
  api->deadline_add(L, &self->head, 1, self->interval);
  return api->result(L, 1, "start");
}

/* Calls back at once, as some functions of libevent do. */
static int l_toy_call(lua_State *L) {
  lev_frame f;
  toy *self = api->self(L, &lev_toy);
  api->pin(L, &self->head, 1);
  if (api->enter(&f, &self->head, LEV_UV_CALLBACK)) {
    lua_pushinteger(f.L, self->left);
    api->leave(&f, &self->head, 1);
  }
  return api->result(L, 1, "call");
}

static int l_toy_fail(lua_State *L) {
  api->self(L, &lev_toy);
  return api->failure(L, "toy", 2);
}

static void due_toy(const lev_frame *f, lev_object *self) {
  toy *t = (toy *)self;
  t->left--;
  if (api->entertop(f, self, LEV_UV_CALLBACK)) {
    lua_pushinteger(f->L, t->left);
    api->leavetop(f, self, 1);
  }
}

static void free_toy(lua_State *L, lev_object *self) {
  (void)L, (void)self;
}

static bool pending_toy(const lev_object *self) {
  return api->deadline_pending(self, NULL);
}

/* Each side sends its key, and gets that of the other; both may be one byte of
 * many. Now and then a read has to wait for writing, and a write for reading,
 * as TLS has it. */
typedef struct scrambler {
  unsigned char mine, theirs;
  bool sent, got;
  unsigned calls;
  short wants;
} scrambler;

static ssize_t later(scrambler *s, short wants) {
  s->wants = wants;
  errno = EAGAIN;
  return -1;
}

static int greet(void *session, int fd) {
  scrambler *s = session;
  s->wants = 0;
  if (!s->sent && send(fd, &s->mine, 1, MSG_NOSIGNAL) != 1)
    return errno == EAGAIN ? (int)later(s, EV_WRITE) : -1;
  s->sent = true;
  ssize_t n = s->got ? 1 : recv(fd, &s->theirs, 1, 0);
  if (n == 0)
    errno = EPROTO;
  s->got = n == 1;
  return s->got ? 1 : -1;
}

static ssize_t readscrambled(void *session, int fd, void *to, size_t n) {
  scrambler *s = session;
  s->wants = 0;
  if (++s->calls % 3 == 0)
    return later(s, EV_WRITE);
  ssize_t got = recv(fd, to, n, 0);
  for (ssize_t i = 0; i < got; i++)
    ((unsigned char *)to)[i] ^= s->theirs;
  return got;
}

static ssize_t writescrambled(void *session, int fd, const struct iovec *v,
                              int n) {
  unsigned char bytes[1000];
  scrambler *s = session;
  size_t length = n > 0 && v[0].iov_len < sizeof bytes ? v[0].iov_len
                  : n > 0                              ? sizeof bytes
                                                       : 0;
  s->wants = 0;
  if (s->calls % 7 == 3) { /* until something was read */
    int waiting = 0;
    char byte;
    waiting = recv(fd, &byte, 1, MSG_PEEK) == 1;
    if (waiting)
      return later(s, EV_READ);
  }
  for (size_t i = 0; i < length; i++)
    bytes[i] = ((const unsigned char *)v[0].iov_base)[i] ^ s->mine;
  return send(fd, bytes, length, MSG_NOSIGNAL);
}

static int shutscrambled(void *session, int fd) {
  (void)session;
  return shutdown(fd, SHUT_WR);
}

static short wants(void *session) {
  return ((scrambler *)session)->wants;
}

static int sessions; /* that are not freed */

static void forget(void *session) {
  free(session);
  sessions--;
}

static const lev_transport scrambling = {
  .name = "scramble",
  .read = readscrambled,
  .write = writescrambled,
  .handshake = greet,
  .shutdown = shutscrambled,
  .wants = wants,
  .free = forget,
};

static int l_scramble(lua_State *L) {
  lev_object *stream = api->check(L, 1, streams->type);
  scrambler *s = calloc(1, sizeof *s);
  if (s == NULL)
    return luaL_error(L, "not enough memory");
  s->mine = (unsigned char)api->checkint(L, 2, 0, 255);
  sessions++;
  streams->settransport(stream, &scrambling, s);
  lua_settop(L, 1);
  return 1;
}

static int l_sessions(lua_State *L) {
  lua_pushinteger(L, sessions);
  return 1;
}

static const luaL_Reg methods[] = {
  { "start", l_toy_start },
  { "call", l_toy_call },
  { "fail", l_toy_fail },
  { NULL, NULL },
};

static const luaL_Reg constructors[] = {
  { "toy", l_toy_new },
  { NULL, NULL },
};

static const lev_type lev_toy = {
  .name = "libevent.toy",
  .size = sizeof(toy),
  .uservalues = 2,
  .methods = methods,
  .constructors = constructors,
  .free = free_toy,
  .pending = pending_toy,
  .due = due_toy,
};

__attribute__((visibility("default"))) int luaopen_spec_toy(lua_State *L);

int luaopen_spec_toy(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, LEV_API_KEY);
  api = lua_touserdata(L, -1);
  if (api == NULL || api->version != LEV_API_VERSION ||
      api->size < sizeof(lev_api))
    return luaL_error(L, "libevent.core of another version");
  lua_getfield(L, LUA_REGISTRYINDEX, LEV_STREAM_API_KEY);
  streams = lua_touserdata(L, -1);
  if (streams == NULL || streams->version != LEV_STREAM_API_VERSION)
    return luaL_error(L, "libevent.core of another version");
  lua_newtable(L);
  lua_pushcfunction(L, l_scramble);
  lua_setfield(L, -2, "scramble");
  lua_pushcfunction(L, l_sessions);
  lua_setfield(L, -2, "sessions");
  api->register_type(L, -1, &lev_toy);
  return 1;
}
