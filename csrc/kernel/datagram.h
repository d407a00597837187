/*
 * Datagrams from and to a non-blocking socket, many in one system call where
 * the system has one for that.
 */
#ifndef LEV_DATAGRAM_H
#define LEV_DATAGRAM_H

#include "kernel/address.h"

enum {
  LEV_DATAGRAM = 64 * 1024, /* more bytes than UDP can carry */
  LEV_BATCH = 64            /* that go by one call */
};

typedef struct lev_datagram {
  void *bytes;
  size_t n;              /* bytes; as received, more than there is room for if
                             some were lost */
  const lev_address *to; /* NULL for the peer of a connected socket */
  lev_address from;
} lev_datagram;

/* Receives one into LEV_DATAGRAM bytes; false with errno. [-0, +0, -] */
bool lev_fd_recvfrom(int fd, lev_datagram *one);

/* Sends one; false with errno. [-0, +0, -] */
bool lev_fd_sendto(int fd, const lev_datagram *one);

/* Receives up to n, at most LEV_BATCH, each into LEV_DATAGRAM bytes; how many,
 * or -1 with errno. [-0, +0, -] */
int lev_fd_recvbatch(int fd, lev_datagram *list, int n);

/* Sends n, at most LEV_BATCH; how many, or -1 with errno if it is not even the
 * first. [-0, +0, -] */
int lev_fd_sendbatch(int fd, const lev_datagram *list, int n);

#endif
