/* The connections that have come to the listeners of a base: what a server that
 * is to end waits for. Sockets carry the mark from the listener to the stream
 * or bufferevent that takes them over. */

#include "io/stream.h"
#include "kernel/descriptor.h"
#include "types/bufferevent.h"

static bool isaccepted(const lev_object *o) {
  return o->accepted && !o->background &&
         (o->type == &lev_stream_type || o->type == &lev_bufferevent_type);
}

/* Whether the peer does not have yet all that was written. Once it has, what
 * lingers only waits for its end. */
static bool owes(const lev_object *o) {
  size_t unsent = o->type == &lev_stream_type
                      ? lev_stream_unsent((const lev_stream *)o)
                      : lev_unsent((const lev_bufferevent *)o);
  return unsent > 0 || lev_fd_unacked(o->type->fd(o)) > 0;
}

/* Pushes what a task that waits does so at: the first argument of the function
 * that it is in. false, and nothing pushed, if that is something else. */
static bool pushawaited(lua_State *L, const lev_task *task) {
  lua_Debug ar;
  lua_State *co = task->co;
  if (task->state != LEV_WAITING || co == NULL || !lua_checkstack(co, 1) ||
      !lua_getstack(co, 0, &ar) || lua_getlocal(co, &ar, 1) == NULL)
    return false;
  lua_xmove(co, L, 1);
  if (lev_testany(L, -1) == task->object)
    return true;
  lua_pop(L, 1);
  return false;
}

/* Pushes a connection that waits for its peer; the slot array is at 3. */
static bool pushwaiting(lua_State *L, const lev_object *o) {
  const lev_stream *stream =
      o->type == &lev_stream_type ? (const lev_stream *)o : NULL;
  if (!o->open)
    return false;
  if (stream != NULL && stream->reader != NULL)
    return pushawaited(L, stream->reader);
  bool reads = stream != NULL ? lev_stream_calls(stream)
                              : ((const lev_bufferevent *)o)->reading;
  if (!reads || o->slot == 0 || !lua_istable(L, 3))
    return false;
  lua_rawgeti(L, 3, o->slot);
  return true;
}

/* Makes the list of base:accepted, with the number as its field. The collector
 * is stopped: it could close what is being listed. */
static int list(lua_State *L) {
  const lev_base *base = lev_toobject(L, 1);
  lua_Integer n = 0, all = 0;
  lua_newtable(L);
  lev_slots_push(L, base);
  for (const lev_object *o = base->children; o != NULL; o = o->next) {
    if (!isaccepted(o) || !(o->open || owes(o)))
      continue;
    all++;
    if (pushwaiting(L, o))
      lua_rawseti(L, 2, ++n);
  }
  lua_settop(L, 2);
  lua_pushinteger(L, all);
  lua_setfield(L, 2, "n");
  return 1;
}

/***
Returns the connections that have come to listeners of the base, as far as they
wait for their peers: a task reads, or callbacks are told of what comes. Those
of listeners in the background do not count.
@function event_base:accepted
@return table connections A list of streams and bufferevents; its field `n` has
how many there are in all, with those that a task works on, and those that are
closed but whose peers do not have all of it yet.
*/
int l_accepted(lua_State *L) {
  lev_selfcheck(L, &lev_event_base);
  lua_settop(L, 1);
  return lev_uncollected(L, list);
}

/* Closing one may close others: what it was for. They stay where they are in
 * memory, as the collector is stopped. */
static int closeall(lua_State *L) {
  const lev_base *base = lev_toobject(L, 1);
  size_t n = 0;
  for (const lev_object *o = base->children; o != NULL; o = o->next)
    n += isaccepted(o);
  void **all = lua_newuserdatauv(L, (n + 1) * sizeof *all, 0);
  n = 0;
  for (lev_object *o = base->children; o != NULL; o = o->next) {
    if (isaccepted(o))
      all[n++] = o;
  }
  for (size_t i = 0; i < n; i++) {
    lev_close(L, all[i]);
    lev_end(L, all[i]);
  }
  lua_pushinteger(L, (lua_Integer)n);
  return 1;
}

/***
Closes the connections that have come to listeners of the base, and drops what
they have not handed over. Those of listeners in the background stay.
@function event_base:close_accepted
@return integer n How many there were.
*/
int l_close_accepted(lua_State *L) {
  lev_selfcheck(L, &lev_event_base);
  lua_settop(L, 1);
  return lev_uncollected(L, closeall);
}
