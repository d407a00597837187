#include "kernel/ready.h"

#include "kernel/callback.h"
#include "kernel/log.h"
#include "kernel/pin.h"
#include "kernel/process.h"
#include "kernel/soon.h"

void lev_ready_open(lua_State *L, int index) {
  index = lua_absindex(L, index);
  lua_newtable(L);
  lua_setiuservalue(L, index, LEV_UV_READY);
  lua_newtable(L);
  lua_setiuservalue(L, index, LEV_UV_DRAINING);
}

void lev_ready_put(lua_State *L, int index) {
  lev_base *base = lev_toobject(L, index);
  lua_getiuservalue(L, index, LEV_UV_READY);
  lua_insert(L, -2);
  lua_rawseti(L, -2, (lua_Integer)base->ready.waiting + 1);
  base->ready.waiting++;
  lev_unsettle(base);
  lua_pop(L, 1);
}

uint32_t lev_ready_count(const lev_base *base) {
  return base->ready.waiting + base->ready.last - base->ready.next;
}

/* Ends the turn before the next one calls back. libevent itself ends it only
 * when no event is active any more, which may never come to be. */
static bool endturn(lev_base *base) {
  return event_pending(&base->stop, EV_TIMEOUT, NULL) ||
         event_add(&base->stop, &lev_at_once) == 0;
}

/* Makes what waits the next batch. The base is at 'index'. [-0, +0, -] */
static void swap(lua_State *L, lev_base *base, int index) {
  lua_getiuservalue(L, index, LEV_UV_READY);
  lua_getiuservalue(L, index, LEV_UV_DRAINING);
  lua_setiuservalue(L, index, LEV_UV_READY);
  lua_setiuservalue(L, index, LEV_UV_DRAINING);
  base->ready.next = 0;
  base->ready.last = base->ready.waiting;
  base->ready.waiting = 0;
}

/* Calls one batch: what an earlier break has left, else what waits now. */
static void drain(lua_State *L, lev_base *base) {
  int top = lua_gettop(L);
  if (!lev_slots_push(L, base)) {
    lua_settop(L, top);
    return;
  }
  lua_rawgeti(L, -1, LEV_SLOT_BASE);
  int index = lua_gettop(L);
  if (base->ready.next == base->ready.last)
    swap(L, base, index);
  lua_getiuservalue(L, index, LEV_UV_DRAINING);
  base->depth++;
  while (base->ready.next < base->ready.last && !lev_mustend(base)) {
    lua_Integer i = (lua_Integer)++base->ready.next;
    lua_rawgeti(L, index + 1, i);
    lua_pushboolean(L, 0); /* keeps the place, so that filling it later need
                              not allocate */
    lua_rawseti(L, index + 1, i);
    lev_callfor(L, base);
  }
  base->depth--;
  lua_settop(L, top);
}

bool lev_mustend(const lev_base *base) {
  return !base->head.open || event_base_got_break(base->ptr) ||
         lev_isforeign(base);
}

void lev_settle(lua_State *L, lev_base *base) {
  if (!(base->running || base->lent) || !base->head.open || !lev_room(L, base))
    return;
  if (lev_isforeign(base)) { /* a child that came back to its parent's loop */
    if (base->running)
      event_base_loopbreak(base->ptr);
    return;
  }
  if (lev_log_waiting(base->state))
    lev_log_deliver(L, base);
  if (lev_ready_count(base) > 0)
    drain(L, base);
  if (!base->head.open || lev_isforeign(base))
    return;
  bool ok = lev_deadlines_arm(base, false);
  if (lev_ready_count(base) > 0 || lev_log_waiting(base->state))
    ok = lev_kick(base) && ok;
  if (base->turn)
    ok = endturn(base) && ok;
  if (base->watching > 0 && lev_isidle(base) && !base->forever &&
      base->running && !lev_log_waiting(base->state) && !lev_isbroken(base))
    base->emptied = event_base_loopbreak(base->ptr) == 0;
  base->unsettled = !ok;
  if (!ok)
    lev_reportat(L, base, LEV_AT_MEMORY);
}

/* Lets what was made ready earlier go before what is due since then. */
static void catchup(lua_State *L, lev_base *base) {
  if (base->soon.first != NULL && !base->soon.running)
    lev_soon_run(base);
  if (lev_ready_count(base) > 0)
    lev_settle(L, base);
}

void lev_onwake(evutil_socket_t fd, short what, void *arg) {
  lev_base *base = arg;
  uint64_t due = lev_deadlines_due(base);
  lev_frame f;
  (void)fd, (void)what;
  base->unsettled = true;
  if (!lev_frame_open(&f, base))
    return;
  if (due > 0)
    catchup(f.L, base);
  if (due > 0 && !lev_mustend(base)) {
    base->depth++;
    lev_deadlines_run(&f, base, due);
    base->depth--;
  }
  lev_settle(f.L, base);
  lev_frame_close(&f);
}
