#include "kernel/datagram.h"

#include <errno.h>

#include "kernel/descriptor.h"

bool lev_fd_recvfrom(int fd, lev_datagram *one) {
  ssize_t n;
  do {
    one->from.length = sizeof one->from.storage;
    n = recvfrom(fd, one->bytes, LEV_DATAGRAM, MSG_TRUNC,
                 (struct sockaddr *)&one->from.storage, &one->from.length);
  } while (n < 0 && errno == EINTR);
  one->n = n > 0 ? (size_t)n : 0;
  return n >= 0;
}

bool lev_fd_sendto(int fd, const lev_datagram *one) {
  ssize_t n;
  do {
    n = one->to == NULL ? send(fd, one->bytes, one->n, MSG_NOSIGNAL)
                        : sendto(fd, one->bytes, one->n, MSG_NOSIGNAL,
                                 (const struct sockaddr *)&one->to->storage,
                                 one->to->length);
  } while (n < 0 && errno == EINTR);
  return n >= 0;
}

#if defined(__linux__) || defined(__FreeBSD__) || defined(__NetBSD__)

int lev_fd_recvbatch(int fd, lev_datagram *list, int n) {
  struct mmsghdr headers[LEV_BATCH];
  struct iovec parts[LEV_BATCH];
  int got;
  for (int i = 0; i < n; i++) {
    parts[i] = (struct iovec){ list[i].bytes, LEV_DATAGRAM };
    headers[i].msg_hdr =
        (struct msghdr){ .msg_name = &list[i].from.storage,
                         .msg_namelen = sizeof list[i].from.storage,
                         .msg_iov = &parts[i],
                         .msg_iovlen = 1 };
  }
  do {
    got = recvmmsg(fd, headers, (unsigned)n, MSG_TRUNC, NULL);
  } while (got < 0 && errno == EINTR);
  for (int i = 0; i < got; i++) {
    list[i].n = headers[i].msg_len;
    list[i].from.length = headers[i].msg_hdr.msg_namelen;
  }
  return got;
}

int lev_fd_sendbatch(int fd, const lev_datagram *list, int n) {
  struct mmsghdr headers[LEV_BATCH];
  struct iovec parts[LEV_BATCH];
  int sent;
  for (int i = 0; i < n; i++) {
    const lev_address *to = list[i].to;
    parts[i] = (struct iovec){ list[i].bytes, list[i].n };
    headers[i].msg_hdr = (struct msghdr){
      .msg_name = to != NULL ? (void *)(uintptr_t)&to->storage : NULL,
      .msg_namelen = to != NULL ? to->length : 0,
      .msg_iov = &parts[i],
      .msg_iovlen = 1
    };
  }
  do {
    sent = sendmmsg(fd, headers, (unsigned)n, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

#else

int lev_fd_recvbatch(int fd, lev_datagram *list, int n) {
  int got = 0;
  while (got < n && lev_fd_recvfrom(fd, &list[got]))
    got++;
  return got > 0 ? got : -1;
}

int lev_fd_sendbatch(int fd, const lev_datagram *list, int n) {
  int sent = 0;
  while (sent < n && lev_fd_sendto(fd, &list[sent]))
    sent++;
  return sent > 0 ? sent : -1;
}

#endif
