/* Whom a socket for datagrams talks to: a peer, and groups. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "io/udp.h"
#include "kernel/convert.h"
#include "kernel/interface.h"
#include "kernel/result.h"

/***
Connects to a peer: datagrams go to it and come from it alone, and errors that
it tells of are results of the next call.
@function udp:connect
@param address? string None: dissolves that.
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
int l_udp_connect(lua_State *L) {
  lev_address a;
  struct sockaddr none = { .sa_family = AF_UNSPEC };
  lev_udp *self = lev_udp_self(L);
  if (lua_isnoneornil(L, 2)) {
    bool ok = connect(self->fd, &none, sizeof none) == 0 ||
              errno == EAFNOSUPPORT; /* some say so and do it */
    return lev_result(L, ok, "connect");
  }
  lev_checkaddress(L, 2, &a);
  const struct sockaddr *name = (const struct sockaddr *)&a.storage;
  return lev_result(L, connect(self->fd, name, a.length) == 0, "connect");
}

/* The address of a group at 2, without a port. */
static void checkgroup(lua_State *L, struct sockaddr_storage *group) {
  struct sockaddr_in *in = (struct sockaddr_in *)group;
  struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)group;
  memset(group, 0, sizeof *group);
  const char *text = lev_checktext(L, 2);
  if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
    in->sin_family = AF_INET;
  else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
    in6->sin6_family = AF_INET6;
  else
    luaL_argerror(L, 2, "numeric address of a group expected");
}

static int changegroup(lua_State *L, int option, const char *what) {
  struct group_req request;
  lev_interface interface = { .index = 0 };
  lev_udp *self = lev_udp_self(L);
  memset(&request, 0, sizeof request);
  checkgroup(L, &request.gr_group);
  if (!lua_isnoneornil(L, 3)) {
    if (!lev_findinterface(lev_checktext(L, 3), &interface))
      return lev_failure(L, what, errno);
  }
  request.gr_interface = interface.index;
  int level =
      request.gr_group.ss_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
  return lev_result(
      L, setsockopt(self->fd, level, option, &request, sizeof request) == 0,
      what);
}

/***
Joins a multicast group: what is sent to it and to the port of the socket comes,
too.
@function udp:join
@param group string An address without a port: `"239.1.2.3"`, `"ff02::1"`.
@param interface? string The name or an address of the one to receive by; the
system's choice by default.
@return boolean? ok
@return string? message
@return integer? code An errno value: `ENODEV` or `EADDRNOTAVAIL` for an
interface that is not there, `EINVAL` for an address that is none of a group,
`EADDRINUSE` if it has joined already.
*/
int l_udp_join(lua_State *L) {
  return changegroup(L, MCAST_JOIN_GROUP, "join");
}

/***
Leaves a multicast group.
@function udp:leave
@param group string
@param interface? string As it was joined.
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
int l_udp_leave(lua_State *L) {
  return changegroup(L, MCAST_LEAVE_GROUP, "leave");
}
