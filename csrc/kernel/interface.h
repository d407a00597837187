/*
 * Network interfaces, given by a name such as "eth0" or by an address of
 * theirs.
 */
#ifndef LEV_INTERFACE_H
#define LEV_INTERFACE_H

#include <stdbool.h>

#include <netinet/in.h>

typedef struct lev_interface {
  unsigned index;         /* 0 for none in particular */
  struct in_addr address; /* an IPv4 address of it, if it has one */
} lev_interface;

/* Chars that name one, with the \0. */
enum { LEV_INTERFACE = INET6_ADDRSTRLEN };

/* Finds an interface; the addresses 0.0.0.0 and :: are those of none in
 * particular. false with errno: ENODEV for a name, EADDRNOTAVAIL for an address
 * that no interface has. [-0, +0, -] */
bool lev_findinterface(const char *text, lev_interface *found);

#endif
