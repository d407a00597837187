#include "kernel/state.h"

#include "kernel/deadline.h"
#include "kernel/interrupt.h"
#include "kernel/leak.h"
#include "kernel/pool.h"
#include "kernel/process.h"
#include "kernel/result.h"
#include "kernel/traceback.h"
#include "kernel/where.h"

static const char state_key = 0;
static const char origins_key = 0;
const char lev_names_key = 0;

static int l_textof(lua_State *L) {
  lua_settop(L, 1);
  lua_getmetatable(L, 1);
  lua_getfield(L, 2, "text");
  return 1;
}

/* Makes a value that only the library raises, put into a place of the table on
 * top of the stack. [-0, +0, m] */
static void fillprivate(lua_State *L, int place, const char *text) {
  lua_newtable(L);
  lua_createtable(L, 0, 4);
  lua_pushstring(L, text);
  lua_setfield(L, -2, "text");
  lua_pushliteral(L, "libevent.interruption");
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pushcfunction(L, l_textof);
  lua_setfield(L, -2, "__tostring");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  luaL_ref(L, LUA_REGISTRYINDEX); /* for ever: the table is weak */
  lua_rawseti(L, -2, place);
}

/* Fills the places up to LEV_AT_BASES. */
static void fill(lua_State *L) {
  fillprivate(L, LEV_AT_CANCELED, "canceled");
  fillprivate(L, LEV_AT_DEADLINE, "timed out");
  lua_pushliteral(L, "attempt to yield from a task (sleep(0) lets others run)");
  lua_rawseti(L, -2, LEV_AT_YIELDED);
  lua_pushliteral(L, "the coroutine of a task was resumed by another");
  lua_rawseti(L, -2, LEV_AT_RESUMED);
  lua_pushliteral(L, "stack overflow");
  lua_rawseti(L, -2, LEV_AT_STACK);
  lua_pushliteral(L, "not enough memory");
  lua_rawseti(L, -2, LEV_AT_MEMORY);
  lua_pushboolean(L, 0);
  lua_rawseti(L, -2, LEV_AT_TRACEBACK);
  lua_pushboolean(L, 0);
  lua_rawseti(L, -2, LEV_AT_ACCEPTED);
  lua_pushboolean(L, 0);
  lua_rawseti(L, -2, LEV_AT_LAYER);
}

/* Pushes a new table with the given weak mode. */
static void newweak(lua_State *L, const char *mode) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushstring(L, mode);
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
}

/* When the Lua state closes, nobody takes its log lines any more. */
static int l_closestate(lua_State *L) {
  lev_state *state = lua_touserdata(L, 1);
  lev_leak_rest(L, state);
  lev_pool_close(L, state);
  state->closed = true;
  lev_log_take(state, false);
  lev_traceback_off(state);
  lev_interrupt_off(state);
  state->owned =
      lev_tryrealloc(L, state->owned, state->words * sizeof *state->owned, 0);
  state->words = 0;
  return 0;
}

lev_state *lev_getstate(lua_State *L) {
  lev_state *state;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &state_key) == LUA_TUSERDATA) {
    state = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return state;
  }
  lua_pop(L, 1);
  luaL_checkstack(L, 8, NULL);
  state = lua_newuserdatauv(L, sizeof *state, 0);
  *state = (lev_state){ .last_id = LEV_AT_BASES };
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, l_closestate);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  state->main = lua_tothread(L, -1);
  lua_pop(L, 1);
  lev_pool_begin(L);
  newweak(L, "k");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &origins_key);
  newweak(L, "k");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &lev_names_key);
  newweak(L, "v");
  fill(L);
  state->table = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &state_key);
  return state;
}

int lev_pushat(lua_State *L, const lev_state *state, lua_Integer place) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, state->table);
  int type = lua_rawgeti(L, -1, place);
  lua_replace(L, -2);
  return type;
}

void lev_setat(lua_State *L, const lev_state *state, lua_Integer place,
               int index) {
  index = lua_absindex(L, index);
  lua_rawgeti(L, LUA_REGISTRYINDEX, state->table);
  lua_pushvalue(L, index);
  lua_rawseti(L, -2, place);
  lua_pop(L, 1);
}

/* Pushes "file:line" of the script that is running. */
static void pushwhere(lua_State *L) {
  lua_Debug ar;
  if (lev_where(L, lev_getstate(L), &ar))
    lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
  else
    lua_pushliteral(L, "?");
}

void lev_track(lua_State *L, int index) {
  index = lua_absindex(L, index);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &origins_key);
  lua_pushvalue(L, index);
  lua_createtable(L, 0, 3);
  pushwhere(L);
  lua_setfield(L, -2, "created");
  lua_pushnumber(L, lev_now());
  lua_setfield(L, -2, "since");
  lua_pushinteger(L, lev_generation());
  lua_setfield(L, -2, "process");
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

bool lev_pushorigin(lua_State *L, int index) {
  int top = lua_gettop(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &origins_key);
  lua_pushvalue(L, index);
  if (lua_rawget(L, -2) == LUA_TTABLE) {
    lua_getfield(L, -1, "process");
    if (lua_tointeger(L, -1) == lev_generation()) {
      lua_getfield(L, -2, "created");
      lua_replace(L, top + 1);
      lua_settop(L, top + 1);
      return true;
    }
  }
  lua_settop(L, top);
  return false;
}

void lev_pushorigins(lua_State *L) {
  lua_newtable(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &origins_key);
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_rawsetp(L, -4, lev_toobject(L, -2));
  }
  lua_pop(L, 1);
}

int lev_uncollected(lua_State *L, lua_CFunction function) {
  lua_pushcfunction(L, function);
  lua_insert(L, 1);
  bool ran = lev_gc_stop(L);
  int status = lua_pcall(L, lua_gettop(L) - 1, 1, 0);
  lev_gc_restart(L, ran);
  return status == LUA_OK ? 1 : lua_error(L);
}

void *lev_tryrealloc(lua_State *L, void *block, size_t old, size_t size) {
  void *data;
  lua_Alloc allocate = lua_getallocf(L, &data);
  if (block == NULL)
    old = 0;
  void *moved = allocate(data, block, old, size);
  if (moved == NULL && size > 0) /* a passing failure, as Lua tolerates it */
    moved = allocate(data, block, old, size);
  return moved;
}

void *lev_realloc(lua_State *L, void *block, size_t old, size_t size) {
  void *moved = lev_tryrealloc(L, block, old, size);
  if (moved == NULL && size > 0)
    lev_nomemory(L);
  return moved;
}
