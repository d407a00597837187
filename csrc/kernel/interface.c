#include "kernel/interface.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

/* What is looked for: a name, or the bytes of an address. */
typedef struct wanted {
  const char *name; /* NULL for an address */
  int family;
  unsigned char bytes[sizeof(struct in6_addr)];
} wanted;

static const void *bytesof(const struct sockaddr *a) {
  return a->sa_family == AF_INET
             ? (const void *)&((const struct sockaddr_in *)a)->sin_addr
             : (const void *)&((const struct sockaddr_in6 *)a)->sin6_addr;
}

static size_t sizeofbytes(int family) {
  return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

static bool matches(const struct ifaddrs *one, const wanted *w) {
  if (w->name != NULL)
    return strcmp(one->ifa_name, w->name) == 0;
  return one->ifa_addr != NULL && one->ifa_addr->sa_family == w->family &&
         memcmp(bytesof(one->ifa_addr), w->bytes, sizeofbytes(w->family)) == 0;
}

/* Looks through the addresses of all interfaces: the name of the one that is
 * wanted, and its first IPv4 address. */
static void search(const struct ifaddrs *all, const wanted *w,
                   lev_interface *found) {
  for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
    if (!matches(one, w))
      continue;
    found->index = if_nametoindex(one->ifa_name);
    if (one->ifa_addr == NULL || one->ifa_addr->sa_family != AF_INET)
      continue;
    memcpy(&found->address, bytesof(one->ifa_addr), sizeof found->address);
    return;
  }
}

bool lev_findinterface(const char *text, lev_interface *found) {
  static const unsigned char none[sizeof(struct in6_addr)] = { 0 };
  struct ifaddrs *all;
  wanted w = { .family = AF_INET };
  *found = (lev_interface){ .index = 0 };
  if (inet_pton(AF_INET, text, w.bytes) != 1) {
    w.family = AF_INET6;
    w.name = inet_pton(AF_INET6, text, w.bytes) == 1 ? NULL : text;
  }
  if (w.name == NULL && memcmp(w.bytes, none, sizeofbytes(w.family)) == 0)
    return true;
  if (getifaddrs(&all) != 0)
    return false;
  search(all, &w, found);
  freeifaddrs(all);
  if (found->index == 0 && w.name != NULL) /* it has no address at all */
    found->index = if_nametoindex(w.name);
  errno = w.name != NULL ? ENODEV : EADDRNOTAVAIL;
  return found->index != 0;
}
