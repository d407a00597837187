/*
 * What the files of the stream share.
 *
 * All streams of a base read into one area of it. What a script does not take
 * at once stays there until another stream needs the area, and goes into an
 * evbuffer of the stream's own then. What cannot be sent at once waits in
 * another. An idle stream has neither.
 *
 * As in bufferevent.h, flags say what a script wants and what became of the
 * connection; lev_stream_watch derives from them whether input is watched, and
 * lev_stream_update whether the object is pinned as well. A task that waits is
 * pinned itself, and its coroutine holds the stream.
 */
#ifndef LEV_IO_STREAM_H
#define LEV_IO_STREAM_H

#include <stdio.h>

#include <event2/buffer.h>

#include "io/transport.h"
#include "kernel/pin.h"
#include "kernel/task.h"

/* User values of a stream. */
enum {
  LEV_UV_READCB = 2,
  LEV_UV_WRITECB = 3,
  LEV_UV_EVENTCB = 4,
  LEV_STREAM_UVS = 4
};

enum {
  LEV_AREA = 256 * 1024, /* bytes that one read takes, and that are kept */
  LEV_HIGH = 256 * 1024, /* bytes queued from which on a write waits */
  LEV_LOW = 64 * 1024,   /* until there are so few */
  LEV_MAX_LINE = 64 * 1024,
  LEV_MAX_ALL = 16 * 1024 * 1024
};

typedef enum lev_form {
  LEV_SOME,
  LEV_EXACTLY,
  LEV_LINE,
  LEV_UNTIL, /* a delimiter */
  LEV_ALL,
  LEV_FRAME /* behind its length */
} lev_form;

/* What is to be read. */
typedef struct lev_request {
  const char *delimiter; /* a string that a user value of the stream holds */
  uint32_t n;            /* EXACTLY how many; SOME, at most; else the bound */
  uint32_t scanned;      /* where the search for the end goes on */
  uint16_t length;       /* of the delimiter */
  uint8_t form;
  uint8_t prefix; /* of a frame: bytes of its length */
  bool big;       /* of a frame: its most significant byte comes first */
  bool keeps;     /* the line end is part of the line */
  bool peeks;     /* the bytes stay */
} lev_request;

/* What there is of it. */
typedef struct lev_found {
  size_t from, n; /* the bytes to return */
  size_t drain;   /* how many are read by that */
  int code;       /* why there will be none; 0 at the end of the input */
} lev_found;

typedef enum lev_verdict { LEV_UNDECIDED, LEV_THERE, LEV_NEVER } lev_verdict;

/* Made when something could not be sent at once. */
typedef struct lev_outgoing {
  struct event event;
  struct evbuffer *buffer;
} lev_outgoing;

typedef struct lev_stream lev_stream;

/* What is left of a file that is being sent. */
typedef struct lev_sendfile {
  lev_object head;
  lev_stream *stream; /* while it is its 'file' */
  char *block;        /* NULL unless it goes through our memory */
  size_t from, to;    /* bytes in there that are to be sent */
  size_t before;      /* how many of the output's go first */
  int64_t offset, left, sent;
  double timeout; /* seconds without progress; negative for none */
  double active;  /* when there was some */
  int fd;
  int code;    /* why it has ended early */
  bool copies; /* the system does not send it by itself */
} lev_sendfile;

struct lev_stream {
  lev_object head;
  struct event event; /* for input */
  const lev_transport *transport;
  void *session;
  struct evbuffer *input; /* NULL while there is none */
  lev_outgoing *output;   /* likewise */
  lev_sendfile *file;     /* what the writer sends; or NULL */
  lev_task *reader, *writer;
  lev_stream *sink, *source; /* it relays to this one, that one to it */
  lev_task *relayer;         /* waits for the end of relaying to the sink */
  uint64_t moved;            /* bytes that went there */
  lev_request request;       /* of the reader */
  lev_soon soon;
  double active[2]; /* what the timeouts count from */
  double used;      /* when something was last read or sent, about */
  float timeout[2]; /* seconds for reading and writing; 0 for none */
  uint32_t max_line, max_all;
  float linger;
  uint32_t generation; /* of the process that got the descriptor */
  size_t left; /* while lingering: what was unsent when looked at last */
  int fd;
  uint32_t changes;    /* of the input, by scripts */
  short moved_code;    /* why that ended; 0 at the end of the input */
  short failure;       /* why the last read gave nothing; or 0 */
  short end_code;      /* why the input has ended; 0 for no error */
  short error;         /* errno of what broke the connection; or 0 */
  bool called;         /* there is a read callback */
  bool listens;        /* there is an event callback */
  bool enabled;        /* for the callbacks */
  bool watched;        /* the input is */
  bool ended;          /* the input has, */
  bool deaf;           /* since the script wants no more: the peer may go on */
  bool written : 1;    /* there is a write callback */
  bool told_end : 1;   /* the event callback was told of the end */
  bool told_break : 1; /* and that nothing can be sent */
  bool cut : 1;        /* it is to be told that relaying ended early */
  bool broken;         /* nothing can be sent any more */
  bool shut;           /* the script has ended what this side sends */
  bool sending;        /* the output is watched */
  bool greeting;       /* the transport's handshake is not done */
  bool crossed[2];     /* a read waits for writing, a write for reading */
  bool drained;        /* the write callback is to be called */
  bool expired[2];     /* the event callback is to be told of a timeout */
};

extern const lev_type lev_stream_type;

/* Argument 1 of a method. [-0, +0, v] */
lev_stream *lev_stream_self(lua_State *L);

/* How many bytes were read and not taken; were written and not sent.
 * [-0, +0, -] */
static inline size_t lev_stream_unread(const lev_stream *self) {
  const lev_base *base = self->head.base;
  if (base->area.owner == &self->head)
    return base->area.to - base->area.from;
  return self->input != NULL ? evbuffer_get_length(self->input) : 0;
}

static inline size_t lev_stream_unsent(const lev_stream *self) {
  return self->output != NULL ? evbuffer_get_length(self->output->buffer) : 0;
}

/* Seconds since something was last read or sent; negative while something is
 * left to do. [-0, +0, -] */
double lev_stream_idle(const lev_stream *self);

/* Whether anything is to be sent. [-0, +0, -] */
static inline bool lev_stream_hasoutput(const lev_stream *self) {
  return self->file != NULL || lev_stream_unsent(self) > 0;
}

/* Watching and pinning: see above. The first two are false with errno if
 * libevent cannot watch the socket; the second one is for the object at 1. */
bool lev_stream_watch(lev_stream *self);                /* [-0, +0, -] */
bool lev_stream_update(lua_State *L, lev_stream *self); /* [-0, +0, m] */
void lev_stream_refresh(lev_stream *self);              /* [-0, +0, -] */

/* From libevent: see stream_event.c. */
void lev_stream_on_read(evutil_socket_t fd, short what, void *self);
void lev_stream_on_write(evutil_socket_t fd, short what, void *self);
void lev_stream_soon(lev_object *self);
void lev_stream_due(const lev_frame *f, lev_object *self);
bool lev_stream_late(lev_task *reader);
bool lev_stream_pending(const lev_object *self);

/* Reads once; false if there was nothing. [-0, +0, -] */
bool lev_stream_fill(lev_stream *self);

/* Notes that the input has ended, and why, or that nothing can be sent; wakes
 * who waits soon. [-0, +0, -] */
void lev_stream_end(lev_stream *self, int code);
void lev_stream_break(lev_stream *self, int code);

/* Lets 'soon' look for callbacks; the object must be pinned or update must
 * follow. [-0, +0, -] */
void lev_stream_later(lev_stream *self);

/* Input: see stream_input.c. */

/* Makes the area free for another stream, or for more input of its owner; the
 * owner is broken if there is no memory for what stands there. [-0, +0, -] */
void lev_stream_cleararea(lev_base *base);

/* Drops all input. [-0, +0, -] */
void lev_stream_dropinput(lev_stream *self);

/* Looks for what is requested. [-0, +0, -] */
lev_verdict lev_stream_judge(lev_stream *self, lev_request *request,
                             lev_found *found);

/* Pushes what was found and takes it out, unless a finalizer has changed the
 * input or closed the stream meanwhile: false then, and nothing pushed.
 * [-0, +1 or +0, m] */
bool lev_stream_take(lua_State *L, lev_stream *self, const lev_found *found,
                     bool peeks);

/* Output: see stream_write.c. */

/* The output's buffer, made when it is needed first. NULL if there is no
 * memory. [-0, +0, -] */
struct evbuffer *lev_stream_output(lev_stream *self);

/* Sends what is queued, and a piece of the file, as far as the socket takes it.
 * The second one wakes the writer, if that is enough for it. [-0, +0, -] */
void lev_stream_send(lev_stream *self);
void lev_stream_flush(lev_stream *self);

/* Sends past the queue; -1 where nothing can be sent now, and the stream may be
 * broken. The second one notes what a system call that sends has returned, and
 * returns the same. [-0, +0, -] */
ssize_t lev_stream_transmit(lev_stream *self, const struct iovec *v, int n);
ssize_t lev_stream_noted(lev_stream *self, ssize_t sent);

/* Shuts the sending side down, if a script wants that and all is sent.
 * [-0, +0, -] */
void lev_stream_shutif(lev_stream *self);

/* After a method has changed the output of the object at 1. [-0, +0, m] */
void lev_stream_settle(lua_State *L, lev_stream *self);

/* Whether a writer has waited long enough. [-0, +0, -] */
bool lev_stream_isroom(const lev_task *writer);

/* Sends bytes at once, as far as nothing is queued and the socket takes them;
 * queues a copy of the rest. false if the stream is broken. [-0, +0, -] */
bool lev_stream_pass(lev_stream *self, const char *bytes, size_t n);

/* Files: see stream_sendfile.c, and stream_sendfile_open.c. */
extern const lev_type lev_sendfile_type;

/* Sends a piece of the file. [-0, +0, -] */
void lev_sendfile_piece(lev_stream *self);

/* Ends the sending of a file, if there is any, and closes it; 0 if it is
 * complete. [-0, +0, -] */
void lev_sendfile_end(lev_stream *self, int code);

/* Argument 2: an open file of the io library, or NULL for the path that it is
 * then. [-0, +0, v] */
FILE *lev_sendfile_checksource(lua_State *L);

/* Opens that, and notes what of it is to be sent: from an offset on, or where
 * the file is if that is negative; so many bytes, or all. The object is open
 * then, whatever comes of it; false with errno. [-0, +0, v] */
bool lev_sendfile_open(lua_State *L, lev_sendfile *file, lua_Integer offset,
                       lua_Integer length);

/* Relays: see stream_relay.c. */
void lev_relay_take(lev_stream *source, const char *bytes, size_t n);
void lev_relay_end(lev_stream *source, int code);

/* Callbacks: see stream_callback.c. */

/* Whether there are callbacks that may come. [-0, +0, -] */
static inline bool lev_stream_calls(const lev_stream *self) {
  return (self->called || self->listens) && self->enabled;
}

/* Calls the callback that is most urgent; the object may be gone afterwards.
 * False if there is none to call. [-0, +0, -] */
bool lev_stream_callnext(lev_stream *self);

/* Sees to it that the timeouts of the callback style are looked at; the object
 * is at an index. [-0, +0, m] */
void lev_stream_expect(lua_State *L, lev_stream *self, int index);

/* Closing: see stream_close.c. */
bool lev_stream_linger(lua_State *L, lev_object *self, bool now);
void lev_stream_free(lua_State *L, lev_object *self);
void lev_lingering_sent(lev_stream *self);
void lev_lingering_ended(lev_stream *self);
void lev_lingering_due(const lev_frame *f, lev_stream *self, int index);

/* Publishes the lev_stream_api. [-0, +0, m] */
void lev_stream_publish(lua_State *L);

/* Methods of the other files, and of the base: see accepted.c. */
int l_accepted(lua_State *L);
int l_close_accepted(lua_State *L);
int l_stream_read(lua_State *L);
int l_stream_readsome(lua_State *L);
int l_stream_readuntil(lua_State *L);
int l_stream_readframe(lua_State *L);
int l_stream_peek(lua_State *L);
int l_stream_unread(lua_State *L);
int l_stream_lines(lua_State *L);
int l_stream_write(lua_State *L);
int l_stream_flush(lua_State *L);
int l_stream_shutdown(lua_State *L);
int l_stream_sendfile(lua_State *L);
int l_stream_relay(lua_State *L);
int l_stream_setcb(lua_State *L);
int l_stream_getcb(lua_State *L);
int l_stream_enable(lua_State *L);
int l_stream_disable(lua_State *L);
int l_stream_timeouts(lua_State *L);

#endif
