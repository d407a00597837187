/*
 * Readline's state is that of the process, so is what we know of it. Who has
 * taken it, in whichever thread, is the only one to touch it.
 *
 * Nothing may be raised through readline's frames: what it calls of ours enters
 * Lua by a protected call only, and that Lua code may not use readline.
 */
#ifndef LEV_READLINE_EDITOR_H
#define LEV_READLINE_EDITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include <lauxlib.h>
#include <lua.h>

typedef struct lev_editor {
  lua_State *L;   /* whose call is inside readline; or NULL */
  char *line;     /* typed, and not yet returned; readline's memory */
  char *file;     /* of the history; or NULL */
  pid_t process;  /* which the terminal is given back by */
  bool prompting; /* a line is typed; the terminal is readline's */
  bool hidden;    /* it is not to be seen */
  bool ended;     /* nothing more will be typed */
  bool gone;      /* nor can it be */
  bool pasting;   /* what is read is a text that is pasted */
  size_t marked;  /* how much of what begins that, or ends it, was read */
  size_t sent;    /* or was made up to end it */
} lev_editor;

extern lev_editor lev_readline;

/* The functions of the module have a flag as upvalue 1: whether their Lua state
 * is the one that has started readline. Its user value is the function that
 * completes. [-0, +0, -] */
bool *lev_readline_flag(lua_State *L);

/* Raises unless the Lua state may use readline now. [-0, +0, v] */
void lev_readline_check(lua_State *L);

/* Called by readline: the next byte, or EOF where there is none soon. */
int lev_readline_byte(FILE *file);

/* Whether there is something to read. */
bool lev_readline_ready(void);

/* What ends a word: all that no name, '.' or ':' is. */
extern const char lev_readline_breaks[];

/* Called by readline: what a word may become; readline's memory, or NULL. */
char **lev_readline_complete(const char *text, int begin, int end);

/* Functions of the module: of the lines that were typed before. */
extern const luaL_Reg lev_readline_history[];

#endif
