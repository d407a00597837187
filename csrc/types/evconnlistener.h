#ifndef LEV_TYPES_EVCONNLISTENER_H
#define LEV_TYPES_EVCONNLISTENER_H

#include <sys/stat.h>

#include <event2/event_struct.h>

#include "kernel/address.h"
#include "kernel/task.h"

enum { LEV_BURST = 64 }; /* connections accepted in one turn */

#define LEV_LONG_AGO 1e9 /* seconds */

enum { LEV_UV_ERROR_CB = 3, LEV_EVCONNLISTENER_UVS = 3 };

typedef struct lev_evconnlistener {
  lev_object head;
  struct event event;
  int fd;
  bool enabled;        /* the callback accepts */
  bool paused;         /* no descriptors: its deadline makes it try again */
  bool taken;          /* the socket: others may accept from it, too */
  uint8_t direct;      /* accepted since a task waited last */
  lev_task *acceptor;  /* waits for a connection; or NULL */
  double collected;    /* when it last collected garbage for descriptors */
  double reported;     /* when it last said that there are none */
  lev_address path;    /* of a unix socket that it made; or of length 0 */
  struct stat made;    /* the file it made there */
  unsigned generation; /* of the process that made it */
} lev_evconnlistener;

/* What a listening socket is made with. */
typedef struct lev_listening {
  int backlog;
  bool reuseable, reuseport, deferred, nodelay;
  int v6only; /* 0, 1, or -1 as the system has it */
  int mode;   /* of a unix socket; -1 as the umask has it */
} lev_listening;

extern const lev_type lev_evconnlistener_type;

/* The event handler of the listening socket, and what tries again after there
 * were no descriptors. */
void lev_on_accept(evutil_socket_t listening, short what, void *self);
void lev_evconnlistener_due(const lev_frame *f, lev_object *self);

/* Makes a listening socket, over the socket of a process that is gone where
 * the address is a path. -1 with errno. [-0, +0, -] */
int lev_listen(const lev_address *a, const lev_listening *how);

/* The same for a socket that is bound already. false with errno.
 * [-0, +0, -] */
bool lev_listen_on(int fd, const lev_listening *how);

/* Whether a path still is the file it was. [-0, +0, -] */
bool lev_samefile(const char *path, const struct stat *was);

/* Seconds after which to try again where there are no descriptors. */
extern const double lev_accept_retry;

/* Where none can be accepted: whether to try again after a collection, and if
 * not, whether it is to be reported. Notes that. [-0, +0, -] */
bool lev_accept_collects(lev_evconnlistener *self, bool *reports);

/* Accepts one connection; -1 with errno. [-0, +0, -] */
int lev_accept(lev_evconnlistener *self, lev_address *peer);

/* Whether an errno value of that is more than a connection that went away.
 * [-0, +0, -] */
bool lev_accept_istrouble(int code);

/* Tells the error callback of the listener at an index, or else the log, that
 * none can be accepted. [-0, +0, v] */
void lev_accept_report(lua_State *L, int index, int code);

/* Resumes the task that waits for a connection. [-0, +0, -] */
void lev_accept_resume(lev_evconnlistener *self);

int l_evconnlistener_accept(lua_State *L);
int l_evconnlistener_waiting(lua_State *L);

#endif
