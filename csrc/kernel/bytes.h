/*
 * Lua strings into libevent's evbuffers and back. Long strings go in by
 * reference: the buffer points to the string, which the Lua state keeps until
 * the last buffer lets go of it. Such a buffer must be emptied or freed before
 * the state is closed.
 *
 * What allocates may let a finalizer close the object that has the buffer, so
 * that object comes along.
 */
#ifndef LEV_BYTES_H
#define LEV_BYTES_H

#include <stdbool.h>
#include <sys/uio.h>

#include <event2/buffer.h>

#include <lua.h>

#include "kernel/object.h"

enum {
  LEV_LONG = 16384, /* from here on a reference costs less than a copy */
  LEV_PARTS = 16    /* strings that one system call sends */
};

/* Makes what holding long strings needs. [-0, +0, m] */
void lev_bytes_open(lua_State *L);

/* Appends the string at an index; all of it or, with an error, nothing.
 * [-0, +0, v] */
void lev_bytes_add(lua_State *L, const lev_object *owner,
                   struct evbuffer *buffer, int index);

/* The strings from 'first' to 'last', at most LEV_PARTS, as one system call
 * takes them; returns how many. [-0, +0, -] */
int lev_bytes_parts(lua_State *L, int first, int last, struct iovec *parts);

/* Appends the same strings less their first n bytes. Runs no Lua code, so that
 * nothing comes between what was sent and its rest. false, and an unknown part
 * is appended, if there is no memory. [-0, +0, -] */
bool lev_bytes_queue(lua_State *L, struct evbuffer *buffer, int first, int last,
                     size_t n);

/* Appends a copy of n bytes of another buffer, all or nothing. false if there
 * is no memory. [-0, +0, -] */
bool lev_bytes_copy(struct evbuffer *to, struct evbuffer *from, size_t n);

/* Pushes n bytes from an offset on; there must be as many. [-0, +1, v] */
void lev_bytes_push(lua_State *L, const lev_object *owner,
                    struct evbuffer *buffer, size_t from, size_t n);

/* Whether the buffer begins with these bytes. [-0, +0, -] */
bool lev_bytes_begin(struct evbuffer *buffer, const char *data, size_t n);

/* Pushes n bytes from the start, less if there are no more, and removes them.
 * [-0, +1, v] */
void lev_bytes_take(lua_State *L, const lev_object *owner,
                    struct evbuffer *buffer, size_t n);

/* Empties a buffer, whether libevent holds its start or not. [-0, +0, -] */
void lev_bytes_drop(struct evbuffer *buffer);

#endif
