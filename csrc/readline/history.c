/* The lines that were typed before, in memory and in a file. */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <readline/history.h>

#include "readline/editor.h"

/* Makes the folders of a file; what is in the way is told when it is opened. */
static void make_folders(char *path) {
  for (char *at = path; (at = strchr(at + 1, '/')) != NULL;) {
    *at = '\0';
    mkdir(path, 0700);
    *at = '/';
  }
}

/* Adds a line, as one write, to the end of the file, which it makes; returns an
 * errno value. Another session may do so, too. */
static int append(const char *line) {
  static char end[] = "\n";
  struct iovec parts[] = { { .iov_base = (void *)(uintptr_t)line,
                             .iov_len = strlen(line) },
                           { .iov_base = end, .iov_len = 1 } };
  int flags = O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC;
  int fd = open(lev_readline.file, flags, 0600);
  if (fd < 0)
    return errno;
  int code = *line != '\0' && writev(fd, parts, 2) < 0 ? errno : 0;
  close(fd);
  return code;
}

/* Pushes true, or a failure of the file. [-0, +1 or +3, m] */
static int result(lua_State *L, int code) {
  errno = code;
  return luaL_fileresult(L, code == 0, "history");
}

/***
Takes the lines that were typed before from a file, and @{readline.add} writes
to it. The file and its folders are made if there are none, for the user alone.
@function readline.history
@param file string
@param max integer The file keeps so many lines, the last ones.
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
static int l_history(lua_State *L) {
  const char *file = luaL_checkstring(L, 1);
  lua_Integer max = luaL_checkinteger(L, 2);
  luaL_argcheck(L, *file != '\0', 1, "name of a file expected");
  luaL_argcheck(L, max > 0 && max <= 1000000, 2,
                "integer from 1 to 1000000 expected");
  lev_readline_check(L);
  char *copy = strdup(file);
  if (copy == NULL)
    return luaL_error(L, "not enough memory");
  free(lev_readline.file);
  lev_readline.file = copy;
  stifle_history((int)max);
  make_folders(copy);
  int code = append("");
  if (code == 0) {
    history_truncate_file(copy, (int)max);
    code = read_history(copy);
  }
  return result(L, code);
}

/***
Adds a line to those that the arrow keys bring back, unless it is the same as
the one before, and to the file of @{readline.history}.
@function readline.add
@param line string
@return boolean? ok
@return string? message
@return integer? code An errno value, of the file.
*/
static int l_add(lua_State *L) {
  const char *line = luaL_checkstring(L, 1);
  lev_readline_check(L);
  const HIST_ENTRY *last = history_get(history_base + history_length - 1);
  bool is_new = last == NULL || strcmp(last->line, line) != 0;
  int code = 0;
  if (is_new)
    add_history(line);
  if (is_new && lev_readline.file != NULL)
    code = append(line);
  return result(L, code);
}

const luaL_Reg lev_readline_history[] = {
  { "history", l_history },
  { "add", l_add },
  { NULL, NULL },
};
