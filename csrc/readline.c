/***
The line that is typed on the terminal of the process, by GNU readline: a module
of its own, `libevent.readline`, which is built where that library is. It never
waits for a key, so a loop goes on while somebody types.

A process has one readline, so one Lua state at a time may use it. While a line
is typed the terminal sends each key as it comes; it is in its usual mode before
@{readline.prompt} and after @{readline.feed} has returned a line, and again
when the process exits, or the module is collected.
@module libevent.readline
*/

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "readline/editor.h"

#define LEV_EXPORT __attribute__((visibility("default")))

/* Bytes that are read before the loop goes on. */
enum { LEV_MOST = 4096 };

static atomic_bool taken; /* see editor.h */

lev_editor lev_readline;

bool *lev_readline_flag(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

void lev_readline_check(lua_State *L) {
  if (!*lev_readline_flag(L))
    luaL_error(L, "readline has not been started");
  if (lev_readline.L != NULL)
    luaL_error(L, "a function that completes may not use readline");
}

/* Ends that a line is typed. */
static void finish(void) {
  if (lev_readline.prompting)
    rl_callback_handler_remove();
  lev_readline.prompting = lev_readline.hidden = false;
}

/* Ends it where readline is not at its end. */
static void abandon(void) {
  if (!lev_readline.prompting)
    return;
  rl_callback_sigcleanup();
  rl_free_line_state();
  finish();
}

/* Called by readline with a whole line, or NULL for the end of input. */
static void on_line(char *line) {
  finish();
  free(lev_readline.line);
  lev_readline.line = line;
  if (line == NULL)
    lev_readline.ended = true;
}

static void show(void) {
  if (lev_readline.prompting && lev_readline.hidden) {
    rl_on_new_line();
    rl_redisplay();
  }
  lev_readline.hidden = false;
  fflush(rl_outstream);
}

/* At the end of the input readline may end the line or not, as it is set up:
 * the caller does. */
static void give_back(void) {
#if RL_READLINE_VERSION >= 0x0801
  rl_eof_found = 0;
#endif
  rl_deprep_terminal();
}

/* Before what inputrc files say; what would wait for a key is off after
 * them. */
static void configure(void) {
  rl_readline_name = "evrun";
  rl_instream = stdin;
  rl_outstream = stdout;
  rl_catch_signals = 0;
  rl_catch_sigwinch = 0;
  rl_change_environment = 0;
  rl_getc_function = lev_readline_byte;
  rl_deprep_term_function = give_back;
  rl_attempted_completion_function = lev_readline_complete;
  rl_completer_word_break_characters = lev_readline_breaks;
  rl_completer_quote_characters = NULL;
  rl_basic_quote_characters = "";
  rl_initialize();
  rl_completion_query_items = -1;
  rl_variable_bind("page-completions", "off");
  rl_variable_bind("blink-matching-paren", "off");
  rl_variable_bind("keyseq-timeout", "0");
  rl_clear_history();
}

/* The process exits, maybe from inside readline. */
static void restore(void) {
  if (lev_readline.prompting && lev_readline.process == getpid()) {
    rl_deprep_terminal();
    rl_crlf();
    fflush(rl_outstream);
  }
}

/***
Takes the line editor; raises if it is taken.
@function readline.start
@param completer fun(text: string, word: string): string[] Gets what is typed up
to the cursor, and its last word; returns what that word may become. It may not
wait. If it fails there is nothing.
*/
static int l_start(lua_State *L) {
  static bool exits;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  if (atomic_exchange(&taken, true))
    return luaL_error(L, "readline has been started already");
  lua_settop(L, 1);
  lua_setiuservalue(L, lua_upvalueindex(1), 1);
  *lev_readline_flag(L) = true;
  lev_readline.process = getpid();
  if (!exits)
    exits = atexit(restore) == 0;
  configure();
  return 0;
}

/***
Shows a prompt; what is typed behind it is returned by @{readline.feed}.
@function readline.prompt
@param text string
*/
static int l_prompt(lua_State *L) {
  const char *text = luaL_checkstring(L, 1);
  lev_readline_check(L);
  abandon();
  free(lev_readline.line);
  lev_readline.line = NULL;
  lev_readline.ended = lev_readline.gone = lev_readline.pasting = false;
  lev_readline.marked = lev_readline.sent = 0;
  lev_readline.prompting = true;
  rl_callback_handler_install(text, on_line);
  fflush(rl_outstream);
  return 0;
}

/***
Reads what has been typed, and does not wait. What is typed behind the end of a
line stays where it is.
@function readline.feed
@return string|boolean|nil line Without its end; nil if it has none yet, false
at the end of the input.
@return boolean? gone Whether that is so since the terminal has gone.
*/
static int l_feed(lua_State *L) {
  lev_readline_check(L);
  if (!lev_readline.prompting && lev_readline.line == NULL)
    return luaL_error(L, "there is no prompt");
  show();
  lev_readline.L = L;
  for (int n = 0; n < LEV_MOST && lev_readline.prompting && !lev_readline.ended;
       n++) {
    if (!lev_readline_ready())
      break;
    rl_callback_read_char();
  }
  lev_readline.L = NULL;
  fflush(rl_outstream);
  if (lev_readline.line != NULL) {
    lua_pushstring(L, lev_readline.line);
    free(lev_readline.line);
    lev_readline.line = NULL;
  } else if (lev_readline.ended) {
    abandon();
    lua_pushboolean(L, 0);
    lua_pushboolean(L, lev_readline.gone);
    return 2;
  } else {
    lua_pushnil(L);
  }
  return 1;
}

/***
Clears the line that is typed from the screen, so that something else can be
written there.
@function readline.hide
*/
static int l_hide(lua_State *L) {
  lev_readline_check(L);
  if (lev_readline.prompting && !lev_readline.hidden)
    rl_clear_visible_line();
  lev_readline.hidden = true;
  fflush(rl_outstream);
  return 0;
}

/***
Shows the line that is typed again; the cursor is at the beginning of a line of
the screen.
@function readline.show
*/
static int l_show(lua_State *L) {
  lev_readline_check(L);
  show();
  return 0;
}

/***
Drops what is typed, as Ctrl-C does: it stays on the screen.
@function readline.forget
*/
static int l_forget(lua_State *L) {
  lev_readline_check(L);
  if (!lev_readline.prompting)
    return 0;
  show();
  rl_callback_sigcleanup();
  rl_free_line_state();
  rl_point = rl_end;
  rl_redisplay();
  rl_echo_signal_char(SIGINT);
  rl_crlf();
  finish();
  fflush(rl_outstream);
  return 0;
}

/***
Notes that the size of the terminal has changed.
@function readline.resize
*/
static int l_resize(lua_State *L) {
  lev_readline_check(L);
  if (lev_readline.prompting && !lev_readline.hidden)
    rl_resize_terminal();
  else
    rl_reset_screen_size();
  fflush(rl_outstream);
  return 0;
}

/***
Lets a signal do to the process what it does by default, with the terminal in
its usual mode; if the process goes on then, the line that was typed is shown
again.
@function readline.raise
@param signal integer Its number.
*/
static int l_raise(lua_State *L) {
  struct sigaction standard = { .sa_handler = SIG_DFL }, before;
  lua_Integer number = luaL_checkinteger(L, 1);
  luaL_argcheck(L, number > 0 && number < NSIG, 1, "no signal has that number");
  lev_readline_check(L);
  if (lev_readline.prompting) {
    show();
    rl_crlf();
    rl_deprep_terminal();
    fflush(rl_outstream);
    lev_readline.hidden = true;
  }
  if (sigaction((int)number, &standard, &before) == 0) {
    raise((int)number);
    sigaction((int)number, &before, NULL);
  }
  if (lev_readline.prompting)
    rl_prep_terminal(1);
  rl_reset_screen_size();
  show();
  return 0;
}

static void stop(bool *flag) {
  if (!*flag)
    return;
  if (lev_readline.L != NULL) {
    restore(); /* readline is still on the stack: what it called exits */
    lev_readline.prompting = false;
  } else if (lev_readline.prompting) {
    show();
    rl_clear_visible_line();
    abandon();
    fflush(rl_outstream);
  }
  free(lev_readline.line);
  free(lev_readline.file);
  lev_readline.line = lev_readline.file = NULL;
  lev_readline.L = NULL;
  *flag = false;
  atomic_store(&taken, false);
}

/***
Gives the line editor and the terminal back; what is typed is dropped. No effect
if it was not started.
@function readline.stop
*/
static int l_stop(lua_State *L) {
  if (*lev_readline_flag(L))
    lev_readline_check(L);
  stop(lev_readline_flag(L));
  return 0;
}

static int collect(lua_State *L) {
  stop(lua_touserdata(L, 1));
  return 0;
}

static const luaL_Reg functions[] = {
  { "start", l_start },   { "prompt", l_prompt }, { "feed", l_feed },
  { "hide", l_hide },     { "show", l_show },     { "forget", l_forget },
  { "resize", l_resize }, { "raise", l_raise },   { "stop", l_stop },
  { NULL, NULL },
};

LEV_EXPORT int luaopen_libevent_readline(lua_State *L);

int luaopen_libevent_readline(lua_State *L) {
  lua_newtable(L);
  bool *flag = lua_newuserdatauv(L, sizeof *flag, 1);
  *flag = false;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_insert(L, -2);
  lua_pushvalue(L, -2);
  luaL_setfuncs(L, functions, 1);
  lua_pushvalue(L, -2);
  luaL_setfuncs(L, lev_readline_history, 1);
  return 1;
}
