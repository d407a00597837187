/*
 * Objects: every libevent object that Lua sees is one userdata that begins
 * with a lev_object, described by one const lev_type.
 *
 * Invariants:
 * - A userdata has its metatable before anything is acquired, and is closed
 *   until lev_open. Closing happens once; freeing memory is the collector's.
 * - An object that is open stands in memory of its own, which is there even
 *   where Lua has freed its userdata, unless it is a plain one: see pool.h.
 * - User value 1 of every object is its base, so that a base outlives its
 *   children; the base lists its open children and closes them first. It stays
 *   as long as the userdata, since even one that is closed points to its base.
 * - An object is pinned exactly while it may call back (see pin.h), or while
 *   it is closed but has something to hand over still: it lingers.
 *
 * Stack effects are written [-popped, +pushed, x]: x is - where a function
 * never raises, m where only for lack of memory, v where it does on purpose.
 */
#ifndef LEV_OBJECT_H
#define LEV_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lauxlib.h>
#include <lua.h>

/* Marks what hardly ever runs, and is to stand beside what does. */
#define LEV_COLD __attribute__((cold, noinline))

/* Marks a variable of another file: it is read at once, since no other module
 * can take its place. */
#define LEV_HIDDEN __attribute__((visibility("hidden")))

typedef struct lev_base lev_base;
typedef struct lev_frame lev_frame;
typedef struct lev_object lev_object;

/* Where an object stands, and until when. */
typedef enum lev_life {
  LEV_APART, /* in a pool, and its userdata is a lev_box: see pool.h */
  LEV_LONE,  /* the same, but only tasks still look at one that is closed */
  LEV_HELD,  /* apart, in memory of its own that its userdata holds, too */
  LEV_PLAIN  /* in its userdata: it holds nothing but memory, so it needs no
                 finalizer and no list */
} lev_life;

typedef struct lev_type {
  const char *name; /* "libevent." and libevent's word for it */
  size_t size;      /* of the struct that begins with a lev_object */
  int uservalues;   /* at least 1: LEV_UV_BASE */
  lev_life life;
  bool watched;  /* libevent may know its descriptor though it is not pinned */
  bool retiring; /* it has the method background */
  bool borrows;  /* the descriptor is somebody else's, who closes it */
  const luaL_Reg *methods;
  const luaL_Reg *metamethods;  /* besides the common ones; may be NULL */
  const luaL_Reg *constructors; /* methods of the base; may be NULL */
  const luaL_Reg *functions;    /* of the module; may be NULL */
  const char *const *strings;   /* NULL ends them; may be NULL: the upvalues of
                                   each method from 2 on; 1 is the metatable */

  /* Releases what was acquired; runs once, may run in a finalizer. */
  void (*free)(lua_State *L, lev_object *self);
  /* Asked when a script closes the object, which stands at index 1: true if it
   * has something to hand over first. It is closed for Lua then, stays pinned
   * and listed, and is over with lev_end. It has 'now' to drop that. NULL where
   * there is nothing to do. */
  bool (*linger)(lua_State *L, lev_object *self, bool now);
  /* Tells whether the object may still call back; NULL if it never does, nor is
   * it pinned or in a list of a base. */
  bool (*pending)(const lev_object *self);
  /* Runs when the deadline is reached; self is on top of the stack. */
  void (*due)(const lev_frame *f, lev_object *self);
  /* Runs for what lev_soon_add has announced. */
  void (*soon)(lev_object *self);
  /* Pushes what tostring says after the address. Any push may let a finalizer
   * close the object: ask libevent before the first. */
  void (*describe)(lua_State *L, const lev_object *self);
  /* The descriptor, or -1; NULL where the type has none. */
  int (*fd)(const lev_object *self);
  /* Pushes what to tell where the collector finds the object, which stands at
   * index 1, open; false if nothing. NULL: that it was never closed, if it has
   * a descriptor of its own. See leak.h. */
  bool (*left)(lua_State *L, const lev_object *self);
} lev_type;

struct lev_object {
  const lev_type *type;
  lev_base *base;
  lev_object *previous, *next; /* among the open children of the base */
  uint32_t slot;               /* where it is pinned; 0 where it is not */
  bool open;
  bool lingering;      /* closed, but not over yet */
  uint8_t place;       /* in its chunk: see pool.c */
  bool awaited : 1;    /* a task has waited for it, or it ran: see pool.h */
  bool listed : 1;     /* among the children of the base */
  bool collected : 1;  /* its userdata was found by the collector */
  bool givenup : 1;    /* closed, but libevent points to it still */
  bool dead : 1;       /* stands for all of the type whose memory went back */
  bool background : 1; /* it may call back, but a loop does not go on for it */
  bool accepted : 1;   /* a connection that has come to a listener, unless that
                          is of the background: see io/accepted.c */
};

/* The userdata of an object that stands apart; any begins with the type. */
typedef struct lev_box {
  const lev_type *type;
  lev_object *object;
} lev_box;

enum { LEV_UV_BASE = 1, LEV_UV_CALLBACK = 2 };

static inline bool lev_isapart(const lev_type *type) {
  return type->life != LEV_PLAIN;
}

/* Returns the object whose userdata stands at an index; NULL where there is no
 * userdata. It must be one of ours. [-0, +0, -] */
static inline void *lev_toobject(lua_State *L, int index) {
  void *userdata = lua_touserdata(L, index);
  if (userdata == NULL || !lev_isapart(*(const lev_type *const *)userdata))
    return userdata;
  return ((const lev_box *)userdata)->object;
}

/* Every metatable of ours has a field of this key. */
extern const char lev_object_key;

/* Makes the metatable of a type; its functions go into the module table and
 * its constructors into the base's methods. [-0, +0, m] with the module table
 * at index 'module' */
void lev_register(lua_State *L, int module, const lev_type *type);

/* Pushes a new closed object that belongs to the base at the positive index
 * 'base', or to nobody if that is 0. Check the arguments first: it stands where
 * an absent one would be looked for. [-0, +1, v] */
void *lev_new(lua_State *L, int base, const lev_type *type);

/* Makes an object usable and lists it as a child of its base: the last step of
 * a constructor. [-0, +0, -] */
void lev_open(lev_object *self);

/* Returns any argument as an open object of a type. [-0, +0, v] */
void *lev_check(lua_State *L, int arg, const lev_type *type);

/* Takes an open object that is done out of the list: it holds nothing of
 * libevent's any more, and never will. [-0, +0, -] */
void lev_retire(lev_object *self);

/* Raises if an object was closed meanwhile: what allocates may run a finalizer
 * that closes it. [-0, +0, v] */
void lev_stillopen(lua_State *L, const lev_object *self);

/* Whether an object is open, and its base. [-0, +0, -] */
bool lev_isopen(const lev_object *self);

/* Returns an open object; raises unless it may be used in this process.
 * [-0, +0, v] */
void *lev_usable(lua_State *L, lev_object *self);

/* Raises where the base, which may be NULL, is a parent's: what belongs to it,
 * an object of that type, may not be used. [-0, +0, v] */
void lev_refuseforeign(lua_State *L, const lev_base *base,
                       const lev_type *type);

/* Whether the base of an object is this process's own; a parent's gets a
 * backend of its own for that, if it can. [-0, +0, -] */
bool lev_claim(lua_State *L, const lev_object *self);

/* Returns the value at an index if it is an object of that type, open or
 * closed, else NULL. [-0, +0, -] */
void *lev_test(lua_State *L, int index, const lev_type *type);

/* Returns the value at an index if it is an object of any type, else NULL.
 * [-0, +0, -] */
lev_object *lev_testany(lua_State *L, int index);

/* Closes an object; idempotent, legal anywhere. [-0, +0, -] */
void lev_close(lua_State *L, lev_object *self);

/* Ends an object that lingers. [-0, +0, -] */
void lev_end(lua_State *L, lev_object *self);

/* Closes all children of a base. [-0, +0, -] */
void lev_closechildren(lua_State *L, lev_base *base);

/* Calls a function that may raise with the object at index 1; false if it did.
 * The stack has room, so that no finalizer runs before it. [-0, +0, -] */
bool lev_trycall(lua_State *L, lua_CFunction function);

/* Makes a function argument a user value of the object at an index.
 * [-0, +0, v] */
void lev_setcallback(lua_State *L, int index, int uservalue, int arg);

/* The name of a type without "libevent.". [-0, +0, -] */
const char *lev_typename(const lev_type *type);

/* Pushes what tostring gives. [-0, +1, m] */
void lev_pushdescription(lua_State *L, const lev_object *self);

#endif
