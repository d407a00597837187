/*
 * The kernel as another shared object sees it. core.so puts one const
 * lev_api into the registry as light userdata at LEV_API_KEY; an object that
 * adds types requires "libevent.core", fetches it, and refuses another
 * version or a smaller size.
 */
#ifndef LEV_API_H
#define LEV_API_H

#include "kernel/base.h"
#include "kernel/callback.h"
#include "kernel/convert.h"
#include "kernel/pin.h"
#include "kernel/result.h"

#define LEV_API_KEY "libevent.api"

enum { LEV_API_VERSION = 5 };

typedef struct lev_api {
  unsigned version; /* changes when anything below but the end does */
  size_t size;      /* grows with what is added at the end */
  const lev_type *event_base;

  /* For a host that runs its own event_base: see kernel/base.h. */
  bool (*lend)(lua_State *L, struct event_base *ptr);
  void (*takeback)(lua_State *L, struct event_base *ptr);
  struct event_base *(*ptr)(lua_State *L, int index);

  void (*register_type)(lua_State *L, int module, const lev_type *type);
  void *(*create)(lua_State *L, int base, const lev_type *type);
  void (*open)(lev_object *self);
  void (*close)(lua_State *L, lev_object *self);
  void *(*self)(lua_State *L, const lev_type *type);
  void *(*check)(lua_State *L, int arg, const lev_type *type);
  void *(*test)(lua_State *L, int index, const lev_type *type);
  void (*setcallback)(lua_State *L, int index, int uservalue, int arg);

  void (*pin)(lua_State *L, lev_object *self, int index);
  void (*unpin)(lua_State *L, lev_object *self);

  bool (*enter)(lev_frame *f, lev_object *self, int uservalue);
  void (*leave)(const lev_frame *f, lev_object *self, int n);
  bool (*entertop)(const lev_frame *f, lev_object *self, int uservalue);
  void (*leavetop)(const lev_frame *f, lev_object *self, int n);

  double (*deadline_add)(lua_State *L, lev_object *self, int index,
                         double seconds);
  void (*deadline_del)(const lev_object *self);
  bool (*deadline_pending)(const lev_object *self, double *left);

  double (*checkseconds)(lua_State *L, int arg);
  int (*checkint)(lua_State *L, int arg, int least, int most);
  int (*checkfd)(lua_State *L, int arg);
  void (*checkoptions)(lua_State *L, int arg, const char *const names[]);
  bool (*optboolean)(lua_State *L, int arg, const char *name, bool absent);
  int (*failure)(lua_State *L, const char *what, int code);
  int (*result)(lua_State *L, int ok, const char *what);
} lev_api;

/* Puts the api into the registry. [-0, +0, m] */
void lev_api_publish(lua_State *L);

#endif
