/* Runs a Lua script again and again while its allocations fail: in each run
 * the k-th one, and in a second series the k-th and all after it, for every k
 * until a run needs no more than k. Each run must end well or with an error
 * that says so, give every block back and leave no descriptor open.
 *
 * The allocations are those of Lua and those of libevent. */

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

static struct {
  long count, fail_at;
  bool sticky;
  long blocks; /* of Lua */
} memory;

static bool fails(void) {
  long n = ++memory.count;
  bool failing = memory.fail_at > 0 &&
                 (n == memory.fail_at || (memory.sticky && n > memory.fail_at));
  if (failing)
    errno = ENOMEM; /* as malloc does */
  return failing;
}

static void *lua_allocate(void *data, void *block, size_t old, size_t size) {
  (void)data;
  if (size == 0) {
    memory.blocks -= block != NULL;
    free(block);
    return NULL;
  }
  if ((block == NULL || size > old) && fails())
    return NULL;
  void *moved = realloc(block, size);
  memory.blocks += block == NULL && moved != NULL;
  return moved;
}

static void *event_malloc(size_t size) {
  return fails() ? NULL : malloc(size);
}

static void *event_realloc(void *block, size_t size) {
  return fails() ? NULL : realloc(block, size);
}

static int descriptors(void) {
  int n = 0;
  DIR *directory = opendir("/proc/self/fd");
  while (directory != NULL && readdir(directory) != NULL)
    n++;
  if (directory != NULL)
    closedir(directory);
  return n;
}

/* Whether an error says that memory ran out; a script may be called so, too. */
static bool namesmemory(const char *message) {
  return message != NULL && (strstr(message, " memory") != NULL ||
                             strncmp(message, "memory", 6) == 0);
}

/* One run: LUA_OK or the status of the error, whose message must name memory.
 * Loading what the script needs does not fail: it is the host's business. */
static int run(const char *script, long fail_at, bool sticky) {
  memory.fail_at = 0;
  lua_State *L = lua_newstate(lua_allocate, NULL);
  luaL_openlibs(L);
  if (luaL_dostring(L, "libevent = require 'libevent' "
                       "posix = require 'spec.posix'") != LUA_OK ||
      luaL_loadfile(L, script) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    exit(1);
  }
  memory.count = 0;
  memory.fail_at = fail_at;
  memory.sticky = sticky;
  int status = lua_pcall(L, 0, 0, 0);
  memory.fail_at = 0;
  if (status != LUA_OK) {
    const char *message = lua_tostring(L, -1);
    if (!namesmemory(message)) {
      fprintf(stderr, "allocation %ld: unexpected error: %s\n", fail_at,
              message ? message : luaL_typename(L, -1));
      exit(1);
    }
  }
  lua_close(L);
  return status;
}

static void sweep(const char *script, bool sticky) {
  long k = 0, errors = 0;
  int before = descriptors();
  do {
    k++;
    long blocks = memory.blocks;
    errors += run(script, k, sticky) != LUA_OK;
    if (memory.blocks != blocks || descriptors() != before) {
      fprintf(stderr, "allocation %ld: leaks %ld blocks, %d descriptors\n", k,
              memory.blocks - blocks, descriptors() - before);
      exit(1);
    }
  } while (memory.count >= k);
  printf("%s: %ld allocations failed %s, %ld runs ended with an error\n",
         script, k - 1, sticky ? "from then on" : "once", errors);
}

int main(int argc, char **argv) {
  event_set_mem_functions(event_malloc, event_realloc, free);
  for (int i = 1; i < argc; i++) {
    run(argv[i], 0, false); /* what a process keeps, it keeps from here on */
    sweep(argv[i], false);
    sweep(argv[i], true);
  }
  return argc > 1 ? 0 : 2;
}
