/* Runs a Lua script again and again while its allocations fail: in each run
 * the k-th one, and in a second series the k-th and all after it, for every k
 * until a run needs no more than k. Each run must end well or with an error
 * that says so, give every block back and leave no descriptor open. Behind a name
 * `:7` may stand, for each seventh k: where a run takes long.
 *
 * The allocations are those of Lua and those of libevent. Lua gives a finalizer up
 * that it has no memory to call, and warns of that; what libevent has for such an
 * object is lost then, and given back here. */

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
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
  long blocks;  /* of Lua */
  bool dropped; /* Lua has given a finalizer up */
} memory;

/* What libevent has. */
typedef union their_block {
  struct {
    union their_block *next, **at;
  } link;
  max_align_t align;
} their_block;

static their_block *theirs;
static long theirs_count;

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

static void list(their_block *b) {
  b->link.next = theirs;
  b->link.at = &theirs;
  if (theirs != NULL)
    theirs->link.at = &b->link.next;
  theirs = b;
  theirs_count++;
}

static void unlist(their_block *b) {
  theirs_count--;
  *b->link.at = b->link.next;
  if (b->link.next != NULL)
    b->link.next->link.at = b->link.at;
}

static void *their_malloc(size_t size) {
  their_block *b = fails() ? NULL : malloc(sizeof *b + size);
  if (b == NULL)
    return NULL;
  list(b);
  return b + 1;
}

static void their_free(void *pointer) {
  if (pointer != NULL) {
    their_block *b = (their_block *)pointer - 1;
    unlist(b);
    free(b);
  }
}

static void *their_realloc(void *pointer, size_t size) {
  if (pointer == NULL)
    return their_malloc(size);
  if (fails())
    return NULL;
  their_block *b = (their_block *)pointer - 1;
  unlist(b);
  their_block *moved = realloc(b, sizeof *b + size);
  list(moved != NULL ? moved : b);
  return moved != NULL ? moved + 1 : NULL;
}

static void on_warning(void *data, const char *message, int more) {
  (void)data, (void)more;
  if (strcmp(message, "__gc") == 0)
    memory.dropped = true;
}

/* Whether libevent has no more than what it had; the newest of what a given up
 * finalizer has left is freed: what libevent keeps for the process is older. */
static bool settled(long before) {
  while (memory.dropped && theirs_count > before)
    their_free(theirs + 1);
  return theirs_count == before;
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

/* Whether an error says that memory ran out; a script may be called so, too. Of
 * a stack that cannot grow Lua does not tell whether it is for that. */
static bool namesmemory(const char *message, bool sticky) {
  return message != NULL &&
         (strstr(message, " memory") != NULL ||
          strncmp(message, "memory", 6) == 0 ||
          (sticky && strcmp(message, "stack overflow") == 0));
}

/* Requires what the script does: the modules that its first run has loaded. */
static char *loading;

static void note_modules(lua_State *L) {
  free(loading);
  loading = NULL;
  if (luaL_dostring(L, "local list = {} "
                       "for name in pairs(package.loaded) do "
                       "  if name:find '^libevent' or name:find '^spec' then "
                       "    list[#list + 1] = ('require %q'):format(name) "
                       "  end "
                       "end "
                       "return table.concat(list, '\\n')") == LUA_OK)
    loading = strdup(lua_tostring(L, -1));
}

/* One run: LUA_OK or the status of the error, whose message must name memory.
 * Loading what the script needs does not fail: it is the host's business. */
static int run(const char *script, long fail_at, bool sticky) {
  memory.fail_at = 0;
  lua_State *L = lua_newstate(lua_allocate, NULL);
  luaL_openlibs(L);
  lua_setwarnf(L, on_warning, NULL);
  if (luaL_dostring(L, "libevent = require 'libevent' "
                       "posix = require 'spec.posix'") != LUA_OK ||
      (loading != NULL && luaL_dostring(L, loading) != LUA_OK) ||
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
    if (!namesmemory(message, sticky)) {
      fprintf(stderr, "allocation %ld: unexpected error: %s\n", fail_at,
              message ? message : luaL_typename(L, -1));
      exit(1);
    }
  }
  if (fail_at == 0)
    note_modules(L);
  lua_close(L);
  return status;
}

static void sweep(const char *script, long step, bool sticky) {
  long k = 1 - step, runs = 0, errors = 0;
  int before = descriptors();
  do {
    k += step;
    runs++;
    long blocks = memory.blocks;
    long others = theirs_count;
    memory.dropped = false;
    errors += run(script, k, sticky) != LUA_OK;
    bool all = settled(others);
    if (memory.blocks != blocks || !all || descriptors() != before) {
      fprintf(stderr, "allocation %ld: leaks %ld blocks, %d descriptors%s\n", k,
              memory.blocks - blocks, descriptors() - before,
              all ? "" : ", and of libevent");
      exit(1);
    }
  } while (memory.count >= k);
  printf("%s: %ld allocations failed %s, %ld runs ended with an error\n",
         script, runs - 1, sticky ? "from then on" : "once", errors);
  fflush(stdout);
}

int main(int argc, char **argv) {
  event_set_mem_functions(their_malloc, their_realloc, their_free);
  for (int i = 1; i < argc; i++) {
    char *every = strrchr(argv[i], ':');
    long step = every != NULL ? strtol(every + 1, NULL, 10) : 1;
    if (every != NULL)
      *every = '\0';
    free(loading);
    loading = NULL;
    run(argv[i], 0, false); /* what a process keeps, it keeps from here on */
    sweep(argv[i], step > 0 ? step : 1, false);
    sweep(argv[i], step > 0 ? step : 1, true);
  }
  return argc > 1 ? 0 : 2;
}
