/***
What Lua lacks of POSIX to keep files that only one user may see, and to be a
process that looks after others.
@module libevent.posix
*/

#include "types/posix.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/convert.h"
#include "kernel/result.h"

static mode_t checkmode(lua_State *L, int arg) {
  luaL_checktype(L, arg, LUA_TSTRING);
  int mode = lev_parsemode(lua_tostring(L, arg));
  luaL_argcheck(L, mode >= 0, arg, "octal digits expected, such as \"0700\"");
  return (mode_t)mode;
}

/***
Makes a folder. Wraps `mkdir`.
@function posix.mkdir
@param path string
@param mode string Octal permissions, such as `"0700"`, less what the process
never grants.
@return boolean? ok
@return string? message
@return integer? code An errno value, `EEXIST` where something has that name.
*/
static int l_mkdir(lua_State *L) {
  const char *path = lev_checktext(L, 1);
  mode_t mode = checkmode(L, 2);
  return lev_result(L, mkdir(path, mode) == 0, "mkdir");
}

static const char *kindof(mode_t mode) {
  return S_ISREG(mode)    ? "file"
         : S_ISDIR(mode)  ? "directory"
         : S_ISLNK(mode)  ? "link"
         : S_ISSOCK(mode) ? "socket"
         : S_ISFIFO(mode) ? "pipe"
                          : "device";
}

/***
Tells what stands at a path, and does not follow a symbolic link. Wraps `lstat`.
@function posix.lstat
@param path string
@return table? status With `type`: `"file"`, `"directory"`, `"link"`,
`"socket"`, `"pipe"` or `"device"`; `mode`: octal digits, such as `"0700"`;
`uid` and `gid` of the owner; `size` in bytes; and `mtime`, when it was changed,
in seconds since 1970.
@return string? message
@return integer? code An errno value, `ENOENT` where nothing is.
*/
static int l_lstat(lua_State *L) {
  struct stat is;
  char mode[8];
  const char *path = lev_checktext(L, 1);
  if (lstat(path, &is) != 0)
    return lev_failure(L, "lstat", errno);
  snprintf(mode, sizeof mode, "%04o", (unsigned)is.st_mode & 07777);
  lua_createtable(L, 0, 6);
  lua_pushstring(L, kindof(is.st_mode));
  lua_setfield(L, -2, "type");
  lua_pushstring(L, mode);
  lua_setfield(L, -2, "mode");
  lua_pushinteger(L, (lua_Integer)is.st_uid);
  lua_setfield(L, -2, "uid");
  lua_pushinteger(L, (lua_Integer)is.st_gid);
  lua_setfield(L, -2, "gid");
  lua_pushinteger(L, (lua_Integer)is.st_size);
  lua_setfield(L, -2, "size");
  lua_pushinteger(L, (lua_Integer)is.st_mtime);
  lua_setfield(L, -2, "mtime");
  return 1;
}

/* Writes the names in a folder to a stream, a zero behind each; 0 or errno. */
static int names(const char *path, FILE *to) {
  DIR *directory = opendir(path);
  if (directory == NULL)
    return errno;
  errno = 0;
  for (const struct dirent *e; (e = readdir(directory)) != NULL; errno = 0) {
    if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
      fwrite(e->d_name, 1, strlen(e->d_name) + 1, to);
  }
  int code = ferror(to) ? ENOMEM : errno;
  closedir(directory);
  return code;
}

/***
Lists a folder. Does the work of `readdir`.
@function posix.readdir
@param path string
@return string[]? names In no order, without `"."` and `".."`.
@return string? message
@return integer? code An errno value.
*/
static int l_readdir(lua_State *L) {
  char *text = NULL;
  size_t length = 0;
  const char *path = lev_checktext(L, 1);
  FILE *to =
      open_memstream(&text, &length); /* Lua may raise while it is read */
  if (to == NULL)
    return lev_failure(L, "readdir", errno);
  int code = names(path, to);
  if (fclose(to) != 0 && code == 0)
    code = errno;
  if (code != 0 || text == NULL) {
    free(text);
    return lev_failure(L, "readdir", code != 0 ? code : ENOMEM);
  }
  lev_pushowned(L, text, length);
  const char *name = lua_tostring(L, -1), *end = name + length;
  lua_newtable(L);
  for (lua_Integer n = 1; name < end; n++, name += strlen(name) + 1) {
    lua_pushstring(L, name);
    lua_rawseti(L, -2, n);
  }
  return 1;
}

/***
Returns where a symbolic link leads to. Wraps `readlink`.
@function posix.readlink
@param path string
@return string? target As the link has it: perhaps relative to its folder.
@return string? message
@return integer? code An errno value, `EINVAL` for what is no link.
*/
static int l_readlink(lua_State *L) {
  char target[4096];
  const char *path = lev_checktext(L, 1);
  ssize_t n = readlink(path, target, sizeof target);
  if (n < 0)
    return lev_failure(L, "readlink", errno);
  if ((size_t)n == sizeof target) /* it may go on */
    return lev_failure(L, "readlink", ENAMETOOLONG);
  lua_pushlstring(L, target, (size_t)n);
  return 1;
}

static const luaL_Reg functions[] = {
  { "mkdir", l_mkdir },       { "lstat", l_lstat }, { "readdir", l_readdir },
  { "readlink", l_readlink }, { NULL, NULL },
};

void lev_posix_register(lua_State *L, int module) {
  module = lua_absindex(L, module);
  luaL_newlib(L, functions);
  luaL_setfuncs(L, lev_posix_process, 0);
  luaL_setfuncs(L, lev_posix_descriptor, 0);
  lua_setfield(L, module, "posix");
}
