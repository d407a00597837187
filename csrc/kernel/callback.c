#include "kernel/callback.h"

#include "kernel/base.h"
#include "kernel/interrupt.h"
#include "kernel/pin.h"

/* Stack places that a callback and the report of its error may take: few
 * enough that the LUA_MINSTACK of the running C function nearly always holds
 * them. */
enum { LEV_ROOM = 14 };

/* Pushes the traceback of the error at index 1, from the level at 2 on: its
 * message first where that is a string, since __tostring of anything else may
 * fail. */
static int traceback(lua_State *L) {
  int level = (int)lua_tointeger(L, 2);
  if (lua_type(L, 1) == LUA_TSTRING) {
    luaL_traceback(L, L, lua_tostring(L, 1), level);
  } else {
    lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
    luaL_traceback(L, L, lua_tostring(L, -1), level);
  }
  return 1;
}

/* Keeps the error value as it is and leaves the traceback in the state's
 * table; lack of memory for it must not hide the error. */
int lev_handler(lua_State *L) {
  lev_state *state = lev_getstate(L);
  int level = lua_gettop(L) == 1 ? 2 : 3; /* above both, and who has called */
  lua_rawgeti(L, LUA_REGISTRYINDEX, state->table);
  lua_pushcfunction(L, traceback);
  lua_pushvalue(L, 1);
  lua_pushinteger(L, level);
  if (lua_pcall(L, 2, 1, 0) != LUA_OK) {
    lua_pop(L, 1);
    lua_pushboolean(L, 0);
  }
  lua_rawseti(L, -2, LEV_AT_TRACEBACK);
  lua_settop(L, 1);
  return 1;
}

void lev_pushhandler(lua_State *L) {
  lua_pushcfunction(L, lev_handler);
}

bool lev_room(lua_State *L, lev_base *base) {
  if (lua_checkstack(L, LEV_ROOM))
    return true;
  base->exhausted = true;
  if (base->ptr != NULL)
    event_base_loopbreak(base->ptr);
  return false;
}

void lev_pushbase(lua_State *L, const lev_base *base) {
  if (lev_slots_push(L, base)) {
    lua_rawgeti(L, -1, LEV_SLOT_BASE);
    lua_replace(L, -2);
  }
}

/* The base stands at 'index'. */
static void warn(lua_State *L, const char *what, int index) {
  if (lua_getiuservalue(L, index, LEV_UV_TRACEBACK) == LUA_TSTRING) {
    lua_warning(L, what, 1);
    lua_warning(L, lua_tostring(L, -1), 0);
  }
  lua_pop(L, 1);
}

/* Keeps the error on top of the stack for loop to raise. A second one before
 * that, or one in a loop that is not ours, can only be a warning. The base
 * stands at 'index'. [-1, +0, -] */
static void keep(lua_State *L, lev_base *base, int index) {
  if (base->failed || base->lent) {
    warn(L,
         base->lent ? "error in a callback: "
                    : "error before event_base:loop raised another: ",
         index);
    lua_pop(L, 1);
    return;
  }
  lua_setiuservalue(L, index, LEV_UV_ERROR);
  base->failed = true;
  if (base->ptr != NULL)
    event_base_loopbreak(base->ptr);
}

void lev_report(lua_State *L, lev_base *base, int index, int status) {
  int error = lua_gettop(L);
  base->counts.errors++;
  lev_pushbase(L, base);
  int self = error + 1;
  if (lua_isuserdata(L, self)) {
    if (status == LUA_ERRRUN)
      lev_pushat(L, base->state, LEV_AT_TRACEBACK);
    else
      lua_pushvalue(L, error);
    lua_setiuservalue(L, self, LEV_UV_TRACEBACK);
    if (lua_getiuservalue(L, self, LEV_UV_ON_ERROR) == LUA_TFUNCTION) {
      lev_pushhandler(L);
      lua_insert(L, -2);
      lua_pushvalue(L, error);
      lua_getiuservalue(L, self, LEV_UV_TRACEBACK);
      lua_pushvalue(L, index ? index : self);
      int period = lev_interrupt_pause(L);
      status = lua_pcall(L, 3, 0, self + 1);
      lev_interrupt_resume(L, period);
      if (status == LUA_OK) {
        lua_settop(L, error - 1);
        return;
      }
      if (status == LUA_ERRRUN) {
        lev_pushat(L, base->state, LEV_AT_TRACEBACK);
        lua_setiuservalue(L, self, LEV_UV_TRACEBACK);
      }
      lua_replace(L, error);
    }
    lua_pushvalue(L, error);
    keep(L, base, self);
  }
  lua_settop(L, error - 1);
}

void lev_reportat(lua_State *L, lev_base *base, int place) {
  if (!lev_room(L, base))
    return;
  lev_pushat(L, base->state, place);
  base->depth++;
  lev_report(L, base, 0, LUA_ERRMEM);
  base->depth--;
}

void lev_frame_begin(lua_State *L, lev_base *base) {
  lua_State *main = base->state->main;
  /* With the places that a C function gets, so that calling one collects no
   * garbage. */
  if (!lua_checkstack(main, LEV_ROOM + LUA_MINSTACK))
    luaL_error(L, "stack overflow");
  lev_pushhandler(main);
  lev_slots_push(main, base);
  base->frame = lua_gettop(main) - 1;
}

void lev_frame_end(lev_base *base) {
  lua_settop(base->state->main, base->frame - 1);
  base->frame = 0;
}

bool lev_frame_push(lev_frame *f, lev_base *base) {
  lua_State *L = base->state->main;
  if (!lev_room(L, base))
    return false;
  int top = lua_gettop(L);
  *f = (lev_frame){ L, top + 1, top + 2, true };
  lev_pushhandler(L);
  if (lev_slots_push(f->L, base))
    return true;
  lev_frame_close(f);
  return false;
}

/* Begins a callback that is on top of the stack, and pushes the object, which
 * is below it, again. */
static inline void begin(const lev_frame *f, lev_base *base) {
  base->depth++;
  base->counts.callbacks++;
  if (base->measuring)
    lev_measure_call(f->L, base, f->top + 1);
  lua_pushvalue(f->L, base->measuring ? -3 : -2);
}

static inline bool entertop(const lev_frame *f, lev_object *self,
                            int uservalue) {
  if (!self->open) { /* given up in a child that now has its own backend */
    self->type->free(f->L, self);
    lev_setgivenup(self, false);
    lev_unpinat(f->L, self, f->handler + 1);
    lua_settop(f->L, f->top);
    return false;
  }
  if (lua_getiuservalue(f->L, -1, uservalue) != LUA_TFUNCTION) {
    lua_settop(f->L, f->top);
    return false;
  }
  begin(f, self->base);
  return true;
}

bool lev_entertop(const lev_frame *f, lev_object *self, int uservalue) {
  return entertop(f, self, uservalue);
}

static inline bool enter(lev_frame *f, lev_object *self, int uservalue) {
  if (!lev_frame_open(f, self->base))
    return false;
  lua_rawgeti(f->L, f->handler + 1, self->slot);
  if (entertop(f, self, uservalue))
    return true;
  lev_frame_close(f);
  return false;
}

bool lev_enter(lev_frame *f, lev_object *self, int uservalue) {
  return enter(f, self, uservalue);
}

bool lev_entercall(lev_frame *f, lev_object *self, int uservalue,
                   lua_CFunction call) {
  if (self->slot == 0)
    return false;
  if (uservalue == 0) {
    if (!self->open || !lev_frame_open(f, self->base))
      return false;
    lua_rawgeti(f->L, f->handler + 1, self->slot);
    lua_pushnil(f->L);
    begin(f, self->base);
  } else if (!enter(f, self, uservalue)) {
    return false;
  }
  lua_pushcfunction(f->L, call);
  lua_insert(f->L, -3);
  return true;
}

static inline void leavetop(const lev_frame *f, lev_object *self, int n) {
  lev_base *base = self->base;
  int status = lua_pcall(f->L, n + 1, 0, f->handler);
  if (status != LUA_OK)
    lev_report(f->L, base, f->top + 1, status);
  if (self->slot != 0 && !self->type->pending(self))
    lev_unpinat(f->L, self, f->handler + 1);
  if (base->measuring)
    lev_measure_end(f->L, base);
  lev_depart(base);
  lua_settop(f->L, f->top);
}

void lev_leavetop(const lev_frame *f, lev_object *self, int n) {
  leavetop(f, self, n);
}

void lev_leave(const lev_frame *f, lev_object *self, int n) {
  leavetop(f, self, n);
  lev_frame_close(f);
}

static inline void callwhat(const lev_frame *f, lev_object *self, int uservalue,
                            int what) {
  lua_rawgeti(f->L, f->handler + 1, self->slot);
  if (entertop(f, self, uservalue)) {
    lua_rawgeti(f->L, f->handler + 1, LEV_SLOT_WHAT + lev_whatset(what));
    leavetop(f, self, 1);
  }
}

static LEV_COLD void callnested(lev_object *self, int uservalue, int what) {
  lev_frame f;
  if (lev_frame_push(&f, self->base)) {
    callwhat(&f, self, uservalue, what);
    lev_frame_close(&f);
  }
}

/* The way from libevent to a callback, as short as it can be. */
void lev_callwhat(lev_object *self, int uservalue, int what) {
  lev_frame f = lev_frame_straight(self->base);
  if (lev_isstraight(self->base))
    callwhat(&f, self, uservalue, what);
  else
    callnested(self, uservalue, what);
}

void lev_callfor(lua_State *L, lev_base *base) {
  int top = lua_gettop(L) - 1;
  base->depth++;
  base->counts.callbacks++;
  if (base->measuring)
    lev_measure_call(L, base, 0);
  int handler = lua_gettop(L);
  lev_pushhandler(L);
  lua_insert(L, handler);
  int status = lua_pcall(L, 0, 0, handler);
  if (status != LUA_OK)
    lev_report(L, base, 0, status);
  if (base->measuring)
    lev_measure_end(L, base);
  lev_depart(base);
  lua_settop(L, top);
}
