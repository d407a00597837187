/*
 * What a stream sends and receives through: plain sockets here, TLS in another
 * shared object. Each function gets the session that was handed in with the
 * transport, and the descriptor, which the stream owns.
 */
#ifndef LEV_IO_TRANSPORT_H
#define LEV_IO_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "kernel/object.h"

typedef struct lev_transport {
  const char *name;
  /* As recv: how many bytes, 0 at the end, or -1 with errno. */
  ssize_t (*read)(void *session, int fd, void *to, size_t n);
  /* As writev. */
  ssize_t (*write)(void *session, int fd, const struct iovec *v, int n);
  /* Runs before anything else: 1 when it is done, or -1 with errno. May be
   * NULL. */
  int (*handshake)(void *session, int fd);
  /* Ends what this side sends: 0, or -1 with errno. */
  int (*shutdown)(void *session, int fd);
  /* After EAGAIN: EV_READ or EV_WRITE, which must come before the same call
   * makes sense again. NULL where a read waits for reading and a write for
   * writing. */
  short (*wants)(void *session);
  /* May be NULL. */
  void (*free)(void *session);
  /* Sends from a place in a file on, without moving its own: as sendfile. What
   * it cannot do at all, EINVAL or ENOSYS, is read and written instead. May be
   * NULL. */
  ssize_t (*sendfile)(void *session, int fd, int file, int64_t offset,
                      size_t n);
} lev_transport;

extern const lev_transport lev_plain;

/*
 * How another shared object hands one in: io/stream.c puts one const
 * lev_stream_api into the registry, as kernel/api.h does with its own.
 */
#define LEV_STREAM_API_KEY "libevent.stream.api"

enum { LEV_STREAM_API_VERSION = 2 };

typedef struct lev_stream_api {
  unsigned version; /* changes when anything below but the end does */
  size_t size;      /* grows with what is added at the end */
  const lev_type *type;

  /* For a stream from which nothing was read, and to which nothing was written.
   * It frees the session when it is closed. [-0, +0, -] */
  void (*settransport)(lev_object *stream, const lev_transport *transport,
                       void *session);
} lev_stream_api;

#endif
