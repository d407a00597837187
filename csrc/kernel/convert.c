#include "kernel/convert.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "kernel/object.h"

static const struct {
  char letter;
  short event;
} letters[] = {
  { 'r', EV_READ },    { 'w', EV_WRITE }, { 'c', EV_CLOSED },
  { 'p', EV_PERSIST }, { 'e', EV_ET },    { 't', EV_TIMEOUT },
  { 's', EV_SIGNAL },
};

enum { LETTERS = sizeof letters / sizeof letters[0] };

static const char noseconds[] = "seconds from 0 to 1e9 expected";

/* Not so of what is no number at all. */
static bool areseconds(double seconds) {
  return seconds >= 0 && seconds <= 1e9;
}

double lev_checkseconds(lua_State *L, int arg) {
  double seconds = luaL_checknumber(L, arg);
  luaL_argcheck(L, areseconds(seconds), arg, noseconds);
  return seconds;
}

struct timeval lev_timeval(double seconds) {
  double whole = floor(seconds);
  long us = lrint((seconds - whole) * 1e6);
  struct timeval tv = { (time_t)whole + us / 1000000,
                        (suseconds_t)(us % 1000000) };
  return tv;
}

double lev_seconds(const struct timeval *tv) {
  return (double)tv->tv_sec + (double)tv->tv_usec / 1e6;
}

struct timeval *lev_opttimeval(lua_State *L, int arg, struct timeval *tv) {
  if (lua_isnoneornil(L, arg))
    return NULL;
  *tv = lev_timeval(lev_checkseconds(L, arg));
  return tv;
}

double lev_opttimeout(lua_State *L, int arg) {
  return lua_isnoneornil(L, arg) ? -1 : lev_checkseconds(L, arg);
}

/* Pushes what is expected of an integer. */
static const char *pushrange(lua_State *L, lua_Integer least,
                             lua_Integer most) {
  if (most == LUA_MAXINTEGER)
    return lua_pushfstring(L, "integer from %I on expected",
                           (LUAI_UACINT)least);
  return lua_pushfstring(L, "integer from %I to %I expected",
                         (LUAI_UACINT)least, (LUAI_UACINT)most);
}

lua_Integer lev_checkrange(lua_State *L, int arg, lua_Integer least,
                           lua_Integer most) {
  lua_Integer n = luaL_checkinteger(L, arg);
  if (n < least || n > most)
    luaL_argerror(L, arg, pushrange(L, least, most));
  return n;
}

int lev_checkint(lua_State *L, int arg, int least, int most) {
  return (int)lev_checkrange(L, arg, least, most);
}

const char *lev_checktext(lua_State *L, int arg) {
  luaL_checktype(L, arg, LUA_TSTRING);
  const char *text = lua_tostring(L, arg);
  luaL_argcheck(L, strlen(text) == lua_rawlen(L, arg), arg,
                "string without zeros expected");
  return text;
}

int lev_parsemode(const char *text) {
  char *end = NULL;
  long mode = *text >= '0' && *text <= '7' ? strtol(text, &end, 8) : -1;
  return mode >= 0 && mode <= 0777 && *end == '\0' ? (int)mode : -1;
}

int lev_checkfd(lua_State *L, int arg) {
  const lev_object *object = lev_testany(L, arg);
  if (object != NULL && object->type->fd != NULL) {
    lev_check(L, arg, object->type);
    return object->type->fd(object);
  }
  luaL_Stream *file = luaL_testudata(L, arg, LUA_FILEHANDLE);
  if (file == NULL)
    return lev_checkint(L, arg, -1, INT_MAX);
  luaL_argcheck(L, file->closef != NULL, arg, "attempt to use a closed file");
  return fileno(file->f);
}

short lev_checkmask(lua_State *L, int arg, const char *allowed) {
  size_t length;
  int mask = 0;
  const char *text = luaL_checklstring(L, arg, &length);
  for (size_t i = 0; i < length; i++) {
    if (text[i] == '\0' || strchr(allowed, text[i]) == NULL)
      luaL_argerror(L, arg,
                    lua_pushfstring(L,
                                    "unknown event '%c', letters of '%s' "
                                    "expected",
                                    text[i], allowed));
    for (int k = 0; k < LETTERS; k++) {
      if (letters[k].letter == text[i])
        mask |= letters[k].event;
    }
  }
  return (short)mask;
}

void lev_pushmask(lua_State *L, int mask) {
  char text[LETTERS];
  size_t n = 0;
  for (int k = 0; k < LETTERS; k++) {
    if (mask & letters[k].event)
      text[n++] = letters[k].letter;
  }
  lua_pushlstring(L, text, n);
}

typedef struct slice {
  char *text;
  size_t length;
} slice;

static int pushslice(lua_State *L) {
  const slice *s = lua_touserdata(L, 1);
  lua_pushlstring(L, s->text, s->length);
  return 1;
}

void lev_pushowned(lua_State *L, char *text, size_t length) {
  slice s = { text, length };
  lua_pushcfunction(L, pushslice);
  lua_pushlightuserdata(L, &s);
  int status = lua_pcall(L, 1, 1, 0);
  free(text);
  if (status != LUA_OK)
    lua_error(L);
}

static bool listed(const char *const names[], const char *name) {
  for (int i = 0; names[i] != NULL; i++) {
    if (strcmp(names[i], name) == 0)
      return true;
  }
  return false;
}

void lev_checkoptions(lua_State *L, int arg, const char *const names[]) {
  if (lua_isnoneornil(L, arg)) {
    if (lua_gettop(L) < arg)
      lua_settop(L, arg);
    lua_newtable(L);
    lua_replace(L, arg);
    return;
  }
  luaL_checktype(L, arg, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, arg)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING || !listed(names, lua_tostring(L, -1)))
      luaL_argerror(L, arg,
                    lua_pushfstring(L, "unknown option '%s'",
                                    luaL_tolstring(L, -1, NULL)));
  }
}

int lev_optionerror(lua_State *L, int arg, const char *name,
                    const char *message) {
  return luaL_argerror(L, arg,
                       lua_pushfstring(L, "option '%s': %s", name, message));
}

bool lev_optboolean(lua_State *L, int arg, const char *name, bool absent) {
  int type = lua_getfield(L, arg, name);
  if (type != LUA_TNIL && type != LUA_TBOOLEAN)
    lev_optionerror(
        L, arg, name,
        lua_pushfstring(L, "boolean expected, got %s", luaL_typename(L, -1)));
  bool value = type == LUA_TNIL ? absent : lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

void lev_optfunction(lua_State *L, int arg, const char *name) {
  int type = lua_getfield(L, arg, name);
  if (type != LUA_TNIL && type != LUA_TFUNCTION)
    lev_optionerror(
        L, arg, name,
        lua_pushfstring(L, "function expected, got %s", luaL_typename(L, -1)));
}

double lev_optseconds(lua_State *L, int arg, const char *name, double absent) {
  int type = lua_getfield(L, arg, name);
  double seconds = type == LUA_TNIL ? absent : lua_tonumber(L, -1);
  if (type != LUA_TNIL && (type != LUA_TNUMBER || !areseconds(seconds)))
    lev_optionerror(L, arg, name, noseconds);
  lua_pop(L, 1);
  return seconds;
}

lua_Integer lev_optrange(lua_State *L, int arg, const char *name,
                         lua_Integer absent, lua_Integer least,
                         lua_Integer most) {
  int type = lua_getfield(L, arg, name);
  int isint = type == LUA_TNIL;
  lua_Integer value = absent;
  if (type == LUA_TNUMBER)
    value = lua_tointegerx(L, -1, &isint);
  if (!isint || value < least || value > most)
    lev_optionerror(L, arg, name, pushrange(L, least, most));
  lua_pop(L, 1);
  return value;
}
