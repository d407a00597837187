#include "kernel/leak.h"

#include <stdio.h>

#include "kernel/base.h"

enum { LEV_LEAKS = 20 }; /* that are told one by one */

/* Whether the type has anything to tell. */
static bool maytell(const lev_type *type) {
  return type->left != NULL || (type->fd != NULL && !type->borrows);
}

/* Pushes what to tell of the object at 1; false if nothing. */
static bool pushwhat(lua_State *L, const lev_object *self) {
  if (self->type->left != NULL)
    return self->type->left(L, self);
  if (self->type->fd(self) < 0)
    return false;
  lev_pushdescription(L, self);
  lua_pushliteral(L, " was never closed");
  lua_concat(L, 2);
  return true;
}

static int tell(lua_State *L) {
  lev_state *state = lev_getstate(L);
  if (!lev_pushorigin(L, 1) || !pushwhat(L, lev_toobject(L, 1)))
    return 0;
  if (state->leaks++ < LEV_LEAKS) {
    lua_warning(L, "libevent: ", 1);
    lua_warning(L, lua_tostring(L, -1), 1);
    lua_warning(L, "; it was made at ", 1);
    lua_warning(L, lua_tostring(L, -2), 0);
  }
  return 0;
}

void lev_leak_tell(lua_State *L, const lev_object *self) {
  if (!maytell(self->type))
    return;
  const lev_state *state =
      self->base != NULL ? self->base->state : lev_getstate(L);
  if (state->tracking)
    lev_trycall(L, tell);
}

void lev_leak_rest(lua_State *L, const lev_state *state) {
  char text[64];
  if (state->leaks <= LEV_LEAKS)
    return;
  snprintf(text, sizeof text, "libevent: and %u more",
           state->leaks - LEV_LEAKS);
  lua_warning(L, text, 0);
}
