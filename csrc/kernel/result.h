/*
 * What a call returns of the world: true, or nil, "what: why" and an errno
 * value. Misuse is never a result, it raises; so does lack of memory.
 */
#ifndef LEV_RESULT_H
#define LEV_RESULT_H

#include <lua.h>

/* Pushes the text of an errno value. [-0, +1, m] */
void lev_pushreason(lua_State *L, int code);

/* Pushes nil, "what: why" and the code. Returns 3. [-0, +3, m] */
int lev_failure(lua_State *L, const char *what, int code);

/* Pushes nil, a text and a code. Returns 3. [-0, +3, m] */
int lev_because(lua_State *L, const char *text, int code);

/* Push nil, "timed out" and ETIMEDOUT; nil, "closed" and ECANCELED: what a wait
 * has come to. Return 3. [-0, +3, m] */
int lev_timedout(lua_State *L);
int lev_closed(lua_State *L);

/* Raises that libevent, or the system, has no memory. [-0, +0, v] */
int lev_nomemory(lua_State *L);

/* Pushes true, or the failure of errno unless 'ok'. Returns how many.
 * [-0, +1 or +3, m] */
int lev_result(lua_State *L, int ok, const char *what);

/* Pushes a table of errno values by name. [-0, +1, m] */
void lev_pusherrno(lua_State *L);

#endif
