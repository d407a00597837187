#include "kernel/where.h"

#include <string.h>

static const char folder[] = "/libevent/";

/* How long the name of our folder is, that a source begins with; or 0. */
static size_t lengthof(const char *source) {
  const char *last = NULL;
  for (const char *at = strstr(source, folder); at != NULL;
       at = strstr(at + 1, folder))
    last = at;
  return last != NULL ? (size_t)(last - source) + strlen(folder) : 0;
}

void lev_where_open(lua_State *L, lev_state *state) {
  lua_Debug ar;
  ar.source = "";
  for (int level = 1; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "S", &ar);
    if (*ar.what != 'C')
      break;
  }
  size_t length = lengthof(ar.source);
  if (length == 0)
    return;
  lua_pushlstring(L, ar.source, length);
  lev_setat(L, state, LEV_AT_LAYER, -1);
  state->layer = lua_tostring(L, -1);
  state->layer_length = length;
  lua_pop(L, 1);
}

bool lev_where_isours(const lev_state *state, const lua_Debug *ar) {
  return state->layer != NULL &&
         strncmp(ar->source, state->layer, state->layer_length) == 0;
}

bool lev_where(lua_State *L, const lev_state *state, lua_Debug *ar) {
  bool found = false;
  lua_Debug each;
  for (int level = 0; lua_getstack(L, level, &each); level++) {
    lua_getinfo(L, "Sl", &each);
    bool ours = lev_where_isours(state, &each);
    if (each.currentline > 0 && (!ours || !found)) {
      *ar = each;
      found = true;
      if (!ours)
        break;
    }
  }
  return found;
}
