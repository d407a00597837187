/*
 * What the kernel keeps for each Lua state: one userdata, and one table with
 * weak values that callbacks reach by a registry number.
 */
#ifndef LEV_STATE_H
#define LEV_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lauxlib.h>
#include <lua.h>

typedef struct lev_task lev_task;
typedef struct lev_pool lev_pool;

typedef struct lev_state {
  lua_State *main;
  lev_task *running; /* the task whose coroutine runs now; or NULL */
  int table;         /* registry reference of the table below */
  int loops;         /* that run now, one in a callback of the other */
  bool closed;       /* the Lua state is being closed */
  uint32_t last_id;  /* given to a base; never used again */
  bool tracking;     /* objects remember where they were made */
  uint32_t leaks;    /* how many of them the collector has closed */
  uint64_t *owned;   /* the set of descriptors that objects own: see */
  size_t words;      /* descriptor.h */
  lev_pool *pools;   /* see pool.h */
  const char *layer; /* how the sources of our Lua layer begin; or NULL */
  size_t layer_length;
  uint32_t spared; /* instructions of it that were to be stopped */
} lev_state;

/* Places of the state's table. The strings stand there because an error
 * outside a protected call must not allocate; a base's slot array stands at
 * the id of the base, weakly, so that nothing here keeps a base alive. */
enum {
  LEV_AT_STACK = 1,     /* the error when the Lua stack cannot grow */
  LEV_AT_MEMORY = 2,    /* the error when libevent has no memory */
  LEV_AT_TRACEBACK = 3, /* left there by the message handler */
  LEV_AT_ACCEPTED = 4,  /* the last socket that a listener gave to Lua */
  LEV_AT_CANCELED = 5,  /* what a wait raises: see kernel/task.h */
  LEV_AT_DEADLINE = 6,
  LEV_AT_YIELDED = 7, /* errors that end a task from outside */
  LEV_AT_RESUMED = 8,
  LEV_AT_LAYER = 9, /* see kernel/where.h */
  LEV_AT_BASES = 9  /* ids of bases are greater */
};

/* Where the registry has the names of tasks: see kernel/task.h. */
extern const char lev_names_key;

/* The state, made at the first call. [-0, +0, m] */
lev_state *lev_getstate(lua_State *L);

/* Pushes a value of the state's table and returns its type. [-0, +1, -] */
int lev_pushat(lua_State *L, const lev_state *state, lua_Integer place);

/* Puts the value at an index into a place up to LEV_AT_BASES. [-0, +0, -] */
void lev_setat(lua_State *L, const lev_state *state, lua_Integer place,
               int index);

/* Remembers where the object at an index was made. [-0, +0, m] */
void lev_track(lua_State *L, int index);

/* Pushes where the object at a positive index was made; false, and nothing
 * pushed, if that is not known, or was in another process. [-0, +1 or +0, m] */
bool lev_pushorigin(lua_State *L, int index);

/* Pushes a table of what lev_track has kept, by address. [-0, +1, m] */
void lev_pushorigins(lua_State *L);

/* Stops the collector, so that no finalizer runs; whether it ran before. And
 * lets it run again, if it did. [-0, +0, -] */
static inline bool lev_gc_stop(lua_State *L) {
  bool ran = lua_gc(L, LUA_GCISRUNNING) == 1;
  lua_gc(L, LUA_GCSTOP);
  return ran;
}

static inline void lev_gc_restart(lua_State *L, bool ran) {
  if (ran)
    lua_gc(L, LUA_GCRESTART);
}

/* Calls a function with what stands on the stack while the collector is
 * stopped; `return lev_uncollected(L, function)`, with its one result.
 * [-n, +1, v] */
int lev_uncollected(lua_State *L, lua_CFunction function);

/* Changes the size of a block with the allocator of the Lua state; size 0
 * frees it and returns NULL. [-0, +0, m; - for a size that is no larger] */
void *lev_realloc(lua_State *L, void *block, size_t old, size_t size);

/* The same, but NULL where there is no memory. [-0, +0, -] */
void *lev_tryrealloc(lua_State *L, void *block, size_t old, size_t size);

#endif
