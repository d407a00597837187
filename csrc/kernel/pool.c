#include "kernel/pool.h"

#include <string.h>

/* The sanitizer is told what nobody may touch. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define FORBID(memory, n) ASAN_POISON_MEMORY_REGION(memory, n)
#define ALLOW(memory, n) ASAN_UNPOISON_MEMORY_REGION(memory, n)
#endif
#endif
#ifndef FORBID
#define FORBID(memory, n) ((void)(memory))
#define ALLOW(memory, n) ((void)(memory))
#endif

enum { LEV_FEWEST = 2, LEV_MOST = 64 }; /* objects of a chunk */

typedef struct lev_chunk lev_chunk;

/* What stands before each object: the chunk where it is used, else the next of
 * the chunk's that are free. */
typedef union lev_place {
  lev_chunk *chunk;
  union lev_place *next;
} lev_place;

struct lev_chunk {
  lev_pool *pool;
  lev_chunk *next, **at; /* where it stands among those of the pool */
  lev_place *free;
  uint32_t used, places;
};

/* All of one type. */
struct lev_pool {
  const lev_type *type;
  lev_pool *next; /* of the state */
  lev_chunk *roomy, *full;
  uint32_t places;
  lev_object *dead; /* stands behind the pool */
};

/* Of the table that holds the pools and the chunks: by their address. */
static const char chunks_key = 0;

static size_t placesize(const lev_type *type) {
  return sizeof(lev_place) + (type->size + 7) / 8 * 8;
}

static lev_object *object_of(lev_place *place) {
  return (lev_object *)(place + 1);
}

static lev_place *place_at(lev_chunk *chunk, uint32_t i) {
  char *first = (char *)(chunk + 1);
  return (lev_place *)(first + i * placesize(chunk->pool->type));
}

void lev_pool_begin(lua_State *L) {
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &chunks_key);
}

/* Returns new memory that the table holds. [-0, +0, m] */
static void *hold(lua_State *L, size_t size) {
  luaL_checkstack(L, 3, NULL);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &chunks_key);
  void *memory = memset(lua_newuserdatauv(L, size, 0), 0, size);
  lua_rawsetp(L, -2, memory);
  lua_pop(L, 1);
  return memory;
}

static lev_pool *find(const lev_state *state, const lev_type *type) {
  lev_pool *pool = state->pools;
  while (pool != NULL && pool->type != type)
    pool = pool->next;
  return pool;
}

/* The pool of a type, made at the first call. [-0, +0, m] */
static lev_pool *getpool(lua_State *L, lev_state *state, const lev_type *type) {
  lev_pool *pool = find(state, type);
  if (pool != NULL)
    return pool;
  lev_pool *made = hold(L, sizeof *made + type->size);
  pool = find(state, type);
  if (pool != NULL) /* a finalizer has made it */
    return pool;
  made->type = type;
  made->dead = (lev_object *)(made + 1);
  made->dead->type = type;
  made->dead->dead = true;
  made->next = state->pools;
  return state->pools = made;
}

static void list(lev_chunk **list, lev_chunk *chunk) {
  chunk->at = list;
  chunk->next = *list;
  if (chunk->next != NULL)
    chunk->next->at = &chunk->next;
  *list = chunk;
}

static void unlist(lev_chunk *chunk) {
  *chunk->at = chunk->next;
  if (chunk->next != NULL)
    chunk->next->at = chunk->at;
}

/* Each chunk has a quarter of what there is, within bounds. [-0, +0, m] */
static void grow(lua_State *L, lev_pool *pool) {
  uint32_t n = pool->places / 4;
  n = n < LEV_FEWEST ? LEV_FEWEST : n > LEV_MOST ? LEV_MOST : n;
  lev_chunk *chunk = hold(L, sizeof *chunk + n * placesize(pool->type));
  chunk->pool = pool;
  chunk->places = n;
  for (uint32_t i = n; i-- > 0;) {
    lev_place *place = place_at(chunk, i);
    place->next = chunk->free;
    chunk->free = place;
    FORBID(object_of(place), pool->type->size);
  }
  pool->places += n;
  list(&pool->roomy, chunk);
}

lev_object *lev_pool_take(lua_State *L, lev_state *state,
                          const lev_type *type) {
  lev_pool *pool = getpool(L, state, type);
  while (pool->roomy == NULL) /* a finalizer may take what there was */
    grow(L, pool);
  lev_chunk *chunk = pool->roomy;
  lev_place *place = chunk->free;
  chunk->free = place->next;
  place->chunk = chunk;
  chunk->used++;
  if (chunk->free == NULL) {
    unlist(chunk);
    list(&pool->full, chunk);
  }
  ALLOW(object_of(place), type->size);
  return memset(object_of(place), 0, type->size);
}

/* Lets a chunk go of which nothing is used. */
static void letgo(lua_State *L, lev_chunk *chunk) {
  unlist(chunk);
  chunk->pool->places -= chunk->places;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &chunks_key);
  lua_pushnil(L);
  lua_rawsetp(L, -2, chunk);
  lua_pop(L, 1);
}

lev_object *lev_pool_give(lua_State *L, lev_object *object) {
  lev_place *place = (lev_place *)object - 1;
  lev_chunk *chunk = place->chunk;
  lev_pool *pool = chunk->pool;
  FORBID(object, pool->type->size);
  if (chunk->free == NULL) {
    unlist(chunk);
    list(&pool->roomy, chunk);
  }
  place->next = chunk->free;
  chunk->free = place;
  bool others = pool->roomy != chunk || chunk->next != NULL;
  if (--chunk->used == 0 && others)
    letgo(L, chunk);
  return pool->dead;
}

/* A base is left alone: the tasks that it lists may be gone. */
static void closeall(lua_State *L, lev_chunk *chunk) {
  for (; chunk != NULL; chunk = chunk->next) {
    for (uint32_t i = 0; i < chunk->places; i++) {
      lev_place *place = place_at(chunk, i);
      if (place->chunk == chunk && object_of(place)->base == NULL)
        lev_close(L, object_of(place));
    }
  }
}

void lev_pool_close(lua_State *L, const lev_state *state) {
  for (lev_pool *pool = state->pools; pool != NULL; pool = pool->next) {
    closeall(L, pool->full);
    closeall(L, pool->roomy);
  }
}
