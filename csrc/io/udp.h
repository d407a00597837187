/*
 * What the files of the datagram socket share.
 *
 * All datagrams of a base are received into one area of it, which holds them
 * only until they are Lua strings. Input is watched while a task waits for it
 * or a callback may come; what watches it stays until an event comes that
 * nobody waits for.
 */
#ifndef LEV_IO_UDP_H
#define LEV_IO_UDP_H

#include "kernel/datagram.h"
#include "kernel/pin.h"
#include "kernel/task.h"

/* User values: callbacks, and the texts of the addresses below. */
enum {
  LEV_UV_DATAGRAMCB = 2,
  LEV_UV_ERRORCB = 3,
  LEV_UV_SOURCE = 4,
  LEV_UV_TARGET = 5,
  LEV_UDP_UVS = 5
};

enum { LEV_UDP_BURST = 64 }; /* datagrams until others have their turn */

/* An address and its text, which a user value holds. */
typedef struct lev_known {
  const char *text; /* NULL while there is none */
  size_t length;
  lev_address address;
} lev_known;

typedef struct lev_udp {
  lev_object head;
  struct event input, output;
  lev_task *reader, *writer;
  lev_hold turn;            /* of the task that lets others run and receives
                              then: it waits, though it is no reader */
  lev_known source, target; /* the last datagram's */
  int fd;
  int burst;    /* datagrams that tasks got without waiting */
  int failure;  /* to be told by what receives next; or 0 */
  bool called;  /* there is a read callback */
  bool listens; /* there is an error callback */
  bool enabled; /* for the callbacks */
  bool watched; /* the input is */
  bool drained; /* the last callback found nothing more */
} lev_udp;

extern const lev_type lev_udp_type;

/* Argument 1 of a method. [-0, +0, v] */
lev_udp *lev_udp_self(lua_State *L);

/* Whether the read callback may come. [-0, +0, -] */
static inline bool lev_udp_calls(const lev_udp *self) {
  return self->called && self->enabled;
}

/* Lets events come for input; false with errno. [-0, +0, -] */
bool lev_udp_watch(lev_udp *self);

/* Receives one into the area of the base; false with errno. [-0, +0, -] */
bool lev_udp_receive(lev_udp *self, lev_datagram *one);

/* Raises where a task is in a call that receives. [-0, +0, v] */
void lev_udp_checkfree(lua_State *L, const lev_udp *self);

/* Pushes the text of who has sent a datagram; the object is at an index.
 * [-0, +1, m] */
void lev_udp_pushsource(lua_State *L, lev_udp *self, int index,
                        const lev_address *from);

/* From libevent. */
void lev_udp_on_read(evutil_socket_t fd, short what, void *self);
void lev_udp_on_write(evutil_socket_t fd, short what, void *self);

/* Calls callbacks for what there is; the object may be gone afterwards.
 * [-0, +0, -] */
void lev_udp_callback(lev_udp *self);

/* Methods of the other files. */
int l_udp_recvfrom(lua_State *L);
int l_udp_recvbatch(lua_State *L);
int l_udp_sendto(lua_State *L);
int l_udp_send(lua_State *L);
int l_udp_sendbatch(lua_State *L);
int l_udp_connect(lua_State *L);
int l_udp_join(lua_State *L);
int l_udp_leave(lua_State *L);
int l_udp_setcb(lua_State *L);
int l_udp_enable(lua_State *L);
int l_udp_disable(lua_State *L);

#endif
