/* What a word that is being typed may become. */

#include <stdlib.h>
#include <string.h>

#include <readline/readline.h>

#include "readline/editor.h"

const char lev_readline_breaks[] = " \t\n!\"#$%&'()*+,-/;<=>?@[\\]^`{|}~";

/* A completion: what readline asks, and the words as it wants them, the first
 * one of which is what the others have in common. */
typedef struct lev_words {
  const char *word;
  int end; /* of it, in the line */
  char **list;
  size_t n;
} lev_words;

/* Calls the function that completes, and copies the words. */
static int ask(lua_State *L) {
  lev_words *words = lua_touserdata(L, 1);
  lua_getiuservalue(L, 2, 1);
  lua_pushlstring(L, rl_line_buffer, (size_t)words->end);
  lua_pushstring(L, words->word);
  lua_call(L, 2, 1);
  luaL_checktype(L, -1, LUA_TTABLE);
  size_t n = (size_t)lua_rawlen(L, -1);
  words->list = calloc(n + 2, sizeof *words->list);
  while (words->list != NULL && words->n < n) {
    lua_rawgeti(L, -1, (lua_Integer)words->n + 1);
    char *copy = strdup(luaL_checkstring(L, -1));
    if (copy == NULL)
      break;
    words->list[++words->n] = copy;
    lua_pop(L, 1);
  }
  return 0;
}

/* How many bytes all words begin with. */
static size_t common(const lev_words *words) {
  size_t length = strlen(words->list[1]);
  for (size_t i = 2; i <= words->n; i++) {
    size_t same = 0;
    while (same < length && words->list[i][same] == words->list[1][same])
      same++;
    length = same;
  }
  return length;
}

static void drop(lev_words *words) {
  for (size_t i = 0; words->list != NULL && i <= words->n; i++)
    free(words->list[i]);
  free(words->list);
}

/* Called by readline: nothing may be raised through its frames. */
char **lev_readline_complete(const char *text, int begin, int end) {
  lev_words words = { .word = text, .end = end };
  lua_State *L = lev_readline.L;
  (void)begin;
  rl_attempted_completion_over = 1; /* no names of files */
  rl_completion_suppress_append = 1;
  if (L == NULL || !lua_checkstack(L, 4))
    return NULL;
  lua_pushcfunction(L, ask);
  lua_pushlightuserdata(L, &words);
  lua_pushvalue(L, lua_upvalueindex(1));
  int top = lua_gettop(L) - 3;
  bool ok = lua_pcall(L, 2, 0, 0) == LUA_OK && words.n > 0;
  lua_settop(L, top); /* an error message may be there */
  if (ok)
    words.list[0] = strndup(words.list[1], common(&words));
  if (ok && words.list[0] != NULL && words.n == 1) {
    free(words.list[1]); /* readline shows no list of one */
    words.list[1] = NULL;
  }
  if (ok && words.list[0] != NULL)
    return words.list;
  drop(&words);
  return NULL;
}
