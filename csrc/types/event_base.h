#ifndef LEV_TYPES_EVENT_BASE_H
#define LEV_TYPES_EVENT_BASE_H

#include "kernel/base.h"

/* Creates libevent's event_base from an options argument: see event_config.c.
 * NULL with errno if the system stands in the way. [-0, +0, v] */
struct event_base *lev_newbase(lua_State *L, int options);

/* Frees libevent's part, unless a host owns it. [-0, +0, -] */
void lev_freebase(lev_base *base);

/* Methods that run the loop and end it: see event_base_loop.c. */
int l_event_base_loop(lua_State *L);
int l_event_base_dispatch(lua_State *L);
int l_event_base_loopexit(lua_State *L);
int l_event_base_loopbreak(lua_State *L);
int l_event_base_loopcontinue(lua_State *L);

/* Begins to measure. The loop that runs goes on turn by turn from the next one
 * on. [-0, +0, -] */
void lev_measure_on(lev_base *base, double slow);

/* See event_base_counters.c. */
int l_counters(lua_State *L);
int l_measure(lua_State *L);

/* What a method may offer; a NULL name ends the list. */
typedef struct lev_feature {
  const char *name;
  int bit;
} lev_feature;

extern const lev_feature lev_features[];

/* Methods that ask a base and change nothing: see event_base_info.c. */
int l_event_base_get_method(lua_State *L);
int l_event_base_get_features(lua_State *L);
int l_event_base_get_npriorities(lua_State *L);
int l_event_base_get_num_events(lua_State *L);
int l_event_base_get_max_events(lua_State *L);
int l_event_base_gettimeofday_cached(lua_State *L);
int l_event_base_update_cache_time(lua_State *L);
int l_event_base_got_exit(lua_State *L);
int l_event_base_got_break(lua_State *L);
int l_event_base_dump_events(lua_State *L);
int l_now(lua_State *L);
int l_objects(lua_State *L);
int l_num_objects(lua_State *L);

#endif
