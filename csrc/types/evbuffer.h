#ifndef LEV_TYPES_EVBUFFER_H
#define LEV_TYPES_EVBUFFER_H

#include <stdbool.h>

#include <event2/buffer.h>

#include "kernel/object.h"

/* User values of an evbuffer. */
enum {
  LEV_UV_CHANGE = 2, /* the list of its change callbacks */
  LEV_UV_OWNER = 3,  /* the bufferevent it is the input or output of */
  LEV_EVBUFFER_UVS = 3
};

/* What a bufferevent has to say of its input and output. */
typedef struct lev_evbufferview {
  const char *cannot_add;  /* why nothing can be added; NULL where it can */
  const char *cannot_take; /* why nothing can be read or removed */
  int uservalue;           /* of the owner: where the view stands */
  /* Runs after a method has changed the view. The owner is at an index.
   * [-0, +0, v] */
  void (*changed)(lua_State *L, lev_object *owner, int index);
  /* Tells that what is added now would go nowhere; NULL where nothing can be
   * added. [-0, +0, -] */
  bool (*isover)(const lev_object *owner);
  /* Runs when there is something to tell the view's change callbacks; the
   * owner must call lev_evbuffer_tell soon. [-0, +0, -] */
  void (*noticed)(lev_object *owner);
} lev_evbufferview;

typedef struct lev_evbuffer {
  lev_object head;
  struct evbuffer *ptr;
  const lev_evbufferview *view;    /* NULL for a buffer of its own */
  lev_object *owner;               /* the bufferevent of a view, and where it */
  struct lev_evbuffer **at;        /* points to that; or NULL */
  struct evbuffer_cb_entry *entry; /* while there are change callbacks */
  size_t added, deleted;           /* what they were not told of yet */
  bool telling;                    /* they are being called */
} lev_evbuffer;

extern const lev_type lev_evbuffer_type;

/* Pushes a new buffer. [-0, +1, m] */
lev_evbuffer *lev_evbuffer_new(lua_State *L);

/* Pushes a view of a bufferevent's buffer; the owner is at a positive index.
 * [-0, +1, m] */
lev_evbuffer *lev_evbuffer_view(lua_State *L, int owner,
                                struct evbuffer *buffer,
                                const lev_evbufferview *view);

/* An argument that is a buffer: open, and not one of the parent's; and that one
 * can take from, or add to. [-0, +0, v] */
lev_evbuffer *lev_evbuffer_check(lua_State *L, int arg);
lev_evbuffer *lev_checksource(lua_State *L, int arg);
lev_evbuffer *lev_checktarget(lua_State *L, int arg);

/* Checks that the arguments from 'first' to the top can be added to a buffer:
 * strings, numbers, tables of them, which become one string in place, and other
 * buffers. [-0, +0, v] */
void lev_checkbytes(lua_State *L, int first, const struct evbuffer *target);

/* Appends those arguments, emptying the buffers among them: all, or with an
 * error nothing. [-0, +0, v] */
void lev_addbytes(lua_State *L, const lev_object *owner,
                  struct evbuffer *buffer, int first);

/* How many bytes: the argument, or all there are. [-0, +0, v] */
size_t lev_optcount(lua_State *L, int arg, size_t all);

/* The same for bytes that are returned; false, and nil pushed, where some are
 * wanted and there are none. [-0, +0 or +1, v] */
bool lev_checkcount(lua_State *L, int arg, size_t all, size_t *n);

/* After a method has changed the buffer at an index: tells the owner and the
 * change callbacks, which may raise. [-0, +0, v] */
void lev_evbuffer_changed(lua_State *L, lev_evbuffer *self, int index);

/* Tells the change callbacks of a view what libevent did to it. [-0, +0, -] */
void lev_evbuffer_tell(lev_evbuffer *self);

/* Whether the change callbacks were not told everything. [-0, +0, -] */
static inline bool lev_evbuffer_owes(const lev_evbuffer *self) {
  return self->entry != NULL && self->added + self->deleted > 0;
}

/* The same as lev_evbuffer_changed for the buffers among the arguments from
 * 'first' on. [-0, +0, v] */
void lev_evbuffer_argschanged(lua_State *L, int first);

/* Stops telling of changes. [-0, +0, -] */
void lev_evbuffer_quiet(lev_evbuffer *self);

/* Methods that other files define, or call. */
int l_evbuffer_remove_buffer(lua_State *L);
int l_evbuffer_read(lua_State *L);
int l_evbuffer_write(lua_State *L);
int l_evbuffer_search(lua_State *L);
int l_evbuffer_search_eol(lua_State *L);
int l_evbuffer_readln(lua_State *L);
int l_evbuffer_lines(lua_State *L);
int l_evbuffer_add_cb(lua_State *L);
int l_evbuffer_remove_cb(lua_State *L);

#endif
