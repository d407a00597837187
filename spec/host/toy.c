/* A type that lives in another shared object: libevent.toy counts down, one
 * callback each time its deadline comes. It proves lev_api. */

#include "kernel/api.h"

static const lev_api *api;

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
  lua_newtable(L);
  api->register_type(L, -1, &lev_toy);
  return 1;
}
