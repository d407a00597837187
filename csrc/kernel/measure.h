/*
 * What a base counts, and what it measures while a script wants that.
 *
 * A stretch is the time in which Lua runs: a callback, or a task from one wait
 * to the next. Only the outermost one of a base is measured. Its begin notes
 * where it can be found on the main stack; where it was is worked out at the
 * end, if that took long.
 */
#ifndef LEV_MEASURE_H
#define LEV_MEASURE_H

#include "kernel/object.h"

typedef struct lev_task lev_task;

typedef struct lev_counts {
  uint64_t callbacks;     /* entries into Lua */
  uint64_t read, written; /* bytes */
  uint64_t accepts, errors;
  uint32_t tasks, objects; /* there are now */
} lev_counts;

/* The bound of the first, in seconds; each further one is twice as far. */
#define LEV_LEAST_LAG 0.001

enum {
  LEV_LAGS = 15, /* up to 1 ms, 2 ms, … 8192 ms, and more */
  LEV_PLACE = LUA_IDSIZE + 16,
  LEV_WHAT = 40
};

typedef struct lev_stretch {
  double seconds;
  char place[LEV_PLACE]; /* "file:line" */
  char what[LEV_WHAT];   /* the type of the object, or the name of the task */
} lev_stretch;

typedef struct lev_measure {
  uint64_t turns;
  double since;    /* when it began */
  double busy;     /* seconds */
  double slow;     /* a stretch that takes longer is told */
  double began;    /* the stretch that goes on */
  uint32_t nested; /* stretches that go on, one in the other */
  int object;      /* where its object stands */
  int function;    /* and what is called; 0 for a task */
  bool telling;    /* on_slow or a log function runs: no stretch */
  lua_Debug where; /* the task was when it began */
  lev_stretch longest;
  struct {
    uint64_t n, counts[LEV_LAGS];
    double max;
  } lag; /* of deadlines */
} lev_measure;

/* All of these only while the base measures. */

/* Begins anew. [-0, +0, -] */
void lev_measure_start(lev_base *base, double slow);

/* Begins the stretch of a callback, which is on top of the stack, and pushes it
 * again. Its object is at an index; 0 pushes the base below both for that.
 * [-1, +2 or +3, -] */
void lev_measure_call(lua_State *L, lev_base *base, int object);

/* Begins the stretch of a task and pushes that. [-0, +1, -] */
void lev_measure_resume(lua_State *L, const lev_task *task);

/* Ends either in the frame where it began, and tells of one that was slow: Lua
 * may be called. What stands above is popped. [-?, +0, -] */
void lev_measure_end(lua_State *L, lev_base *base);

/* Notes how late a deadline has come. [-0, +0, -] */
void lev_measure_lag(lev_base *base, double seconds);

#endif
