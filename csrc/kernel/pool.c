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

enum { LEV_FEWEST = 2, LEV_MOST = 64, LEV_SHARE = 32 }; /* see grow */

typedef struct lev_chunk lev_chunk;

/* Memory of several objects, which stand behind it. */
struct lev_chunk {
  lev_pool *pool;
  lev_chunk *next, **at; /* where it stands among those of the pool */
  uint64_t free;         /* a bit for each place that is */
  uint32_t places;       /* LEV_MOST at most */
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
  return (type->size + 7) / 8 * 8;
}

static lev_object *object_at(lev_chunk *chunk, unsigned place) {
  char *first = (char *)(chunk + 1);
  return (lev_object *)(first + place * placesize(chunk->pool->type));
}

static lev_chunk *chunk_of(lev_object *object) {
  char *first = (char *)object - object->place * placesize(object->type);
  return (lev_chunk *)first - 1;
}

static uint64_t bit(unsigned place) {
  return (uint64_t)1 << place;
}

/* The bits of all places. */
static uint64_t all(const lev_chunk *chunk) {
  return UINT64_MAX >> (LEV_MOST - chunk->places);
}

void lev_pool_begin(lua_State *L) {
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &chunks_key);
}

void *lev_pool_hold(lua_State *L, size_t size) {
  luaL_checkstack(L, 3, NULL);
  void *memory = memset(lua_newuserdatauv(L, size, 0), 0, size);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &chunks_key);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, memory);
  lua_pop(L, 1);
  return memory;
}

void lev_pool_letgo(lua_State *L, const void *memory) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &chunks_key);
  lua_pushnil(L);
  lua_rawsetp(L, -2, memory);
  lua_pop(L, 1);
}

/* Returns new memory that the table holds. [-0, +0, m] */
static void *hold(lua_State *L, size_t size) {
  void *memory = lev_pool_hold(L, size);
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

/* A chunk stays as long as one of its objects, so each has but a small share of
 * what there is: places for 2 to 64. [-0, +0, m] */
static void grow(lua_State *L, lev_pool *pool) {
  uint32_t n = pool->places / LEV_SHARE;
  n = n < LEV_FEWEST ? LEV_FEWEST : n > LEV_MOST ? LEV_MOST : n;
  size_t size = n * placesize(pool->type);
  lev_chunk *chunk = hold(L, sizeof *chunk + size);
  chunk->pool = pool;
  chunk->places = n;
  chunk->free = all(chunk);
  FORBID(chunk + 1, size);
  pool->places += n;
  list(&pool->roomy, chunk);
}

lev_object *lev_pool_take(lua_State *L, lev_state *state,
                          const lev_type *type) {
  lev_pool *pool = getpool(L, state, type);
  while (pool->roomy == NULL) /* a finalizer may take what there was */
    grow(L, pool);
  lev_chunk *chunk = pool->roomy;
  unsigned place = (unsigned)__builtin_ctzll(chunk->free);
  chunk->free &= ~bit(place);
  if (chunk->free == 0) {
    unlist(chunk);
    list(&pool->full, chunk);
  }
  lev_object *object = object_at(chunk, place);
  ALLOW(object, type->size);
  memset(object, 0, type->size);
  object->type = type;
  object->place = (uint8_t)place;
  return object;
}

/* Lets a chunk go of which nothing is used. */
static void letgo(lua_State *L, lev_chunk *chunk) {
  unlist(chunk);
  chunk->pool->places -= chunk->places;
  lev_pool_letgo(L, chunk);
}

lev_object *lev_pool_give(lua_State *L, lev_object *object) {
  lev_chunk *chunk = chunk_of(object);
  lev_pool *pool = chunk->pool;
  uint64_t place = bit(object->place);
  FORBID(object, pool->type->size);
  if (chunk->free == 0) {
    unlist(chunk);
    list(&pool->roomy, chunk);
  }
  chunk->free |= place;
  bool others = pool->roomy != chunk || chunk->next != NULL;
  if (chunk->free == all(chunk) && others)
    letgo(L, chunk);
  return pool->dead;
}

/* What belongs to a base is left alone: the scopes that its tasks are in may be
 * gone. */
static void closeall(lua_State *L, lev_chunk *chunk) {
  for (; chunk != NULL; chunk = chunk->next) {
    for (uint64_t used = all(chunk) & ~chunk->free; used != 0;
         used &= used - 1) {
      lev_object *object = object_at(chunk, (unsigned)__builtin_ctzll(used));
      if (object->base == NULL)
        lev_close(L, object);
    }
  }
}

void lev_pool_close(lua_State *L, const lev_state *state) {
  for (lev_pool *pool = state->pools; pool != NULL; pool = pool->next) {
    closeall(L, pool->full);
    closeall(L, pool->roomy);
  }
}
