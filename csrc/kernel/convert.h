/*
 * Arguments from Lua to libevent's types. Each function raises an error that
 * names the argument.
 */
#ifndef LEV_CONVERT_H
#define LEV_CONVERT_H

#include <stdbool.h>
#include <sys/time.h>

#include <lauxlib.h>
#include <lua.h>

/* Seconds: a number from 0 to 1e9. [-0, +0, v] */
double lev_checkseconds(lua_State *L, int arg);

/* The same as a timeval; NULL if the argument is nil or absent. [-0, +0, v] */
struct timeval *lev_opttimeval(lua_State *L, int arg, struct timeval *tv);

/* Seconds to wait; negative if the argument is nil or absent. [-0, +0, v] */
double lev_opttimeout(lua_State *L, int arg);

struct timeval lev_timeval(double seconds);
double lev_seconds(const struct timeval *tv);

/* An integer within bounds; LUA_MAXINTEGER is none. [-0, +0, v] */
lua_Integer lev_checkrange(lua_State *L, int arg, lua_Integer least,
                           lua_Integer most);
int lev_checkint(lua_State *L, int arg, int least, int most);

/* A string without zeros, which would cut it where C reads it. [-0, +0, v] */
const char *lev_checktext(lua_State *L, int arg);

/* Octal digits, as chmod takes them, up to 0777; -1 for any other text.
 * [-0, +0, -] */
int lev_parsemode(const char *text);

/* A descriptor, an open file of the io library, or an object that has a
 * descriptor. [-0, +0, v] */
int lev_checkfd(lua_State *L, int arg);

/* A set of events as letters, each one of 'allowed': r read, w write, c closed,
 * p persist, e edge-triggered, t timeout, s signal. [-0, +0, v] */
short lev_checkmask(lua_State *L, int arg, const char *allowed);

/* Pushes the letters of a set. [-0, +1, m] */
void lev_pushmask(lua_State *L, int mask);

/* Pushes a string made by malloc and frees it, even if that raises.
 * [-0, +1, m] */
void lev_pushowned(lua_State *L, char *text, size_t length);

/* Options: a table, or nil for none, whose keys are among 'names', a list that
 * NULL ends. Makes nil an empty table. [-0, +0, v] */
void lev_checkoptions(lua_State *L, int arg, const char *const names[]);

/* A field of the options: its value, or the default if it is nil. The error
 * names the option. [-0, +0, v] */
bool lev_optboolean(lua_State *L, int arg, const char *name, bool absent);
double lev_optseconds(lua_State *L, int arg, const char *name, double absent);
lua_Integer lev_optrange(lua_State *L, int arg, const char *name,
                         lua_Integer absent, lua_Integer least,
                         lua_Integer most);

/* Pushes a field of the options that is a function or nil. [-0, +1, v] */
void lev_optfunction(lua_State *L, int arg, const char *name);

/* Raises "bad argument #arg to 'f' (option 'name': message)". [-0, +0, v] */
int lev_optionerror(lua_State *L, int arg, const char *name,
                    const char *message);

#endif
