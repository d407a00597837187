/*
 * Socket addresses as strings: "127.0.0.1:9995", "[::1]:9995",
 * "[fe80::1%eth0]:9995", "unix:/run/app.sock", and "unix:@name" for Linux'
 * abstract names. Names of hosts and services are not looked up here.
 */
#ifndef LEV_ADDRESS_H
#define LEV_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <lauxlib.h>
#include <lua.h>

typedef struct lev_address {
  struct sockaddr_storage storage;
  socklen_t length;
} lev_address;

static inline int lev_family(const lev_address *a) {
  return a->storage.ss_family;
}

/* The path of a unix socket in the file system, else NULL. [-0, +0, -] */
const char *lev_unixpath(const lev_address *a);

/* The same address, as the system has it. [-0, +0, -] */
static inline bool lev_sameaddress(const lev_address *a, const lev_address *b) {
  return a->length == b->length &&
         memcmp(&a->storage, &b->storage, a->length) == 0;
}

/* Makes an address of what stands behind "unix:"; NULL, or what is wrong with
 * it. [-0, +0, -] */
const char *lev_unixaddress(const char *path, size_t length, lev_address *a);

/* Reads an address; NULL, or what is wrong with the text. [-0, +0, -] */
const char *lev_parseaddress(const char *text, size_t length, lev_address *a);

/* Reads an argument that is an address. [-0, +0, v] */
void lev_checkaddress(lua_State *L, int arg, lev_address *a);

/* Pushes an address. [-0, +1, m] */
void lev_pushaddress(lua_State *L, const lev_address *a);

/* Asks a descriptor for its own address, or its peer's; false with errno.
 * [-0, +0, -] */
bool lev_askaddress(int fd, bool peer, lev_address *a);

/* Pushes what it says, or the failure. Returns how many. [-0, +1 or +3, m] */
int lev_pushname(lua_State *L, int fd, bool peer);

/* Pushes "fd 7 127.0.0.1:80 → 127.0.0.1:40312", as tostring shows a socket.
 * [-0, +1, m] */
void lev_pushends(lua_State *L, int fd);

#endif
