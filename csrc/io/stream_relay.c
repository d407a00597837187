/* Relaying: bytes from one stream to another, or back to the same, that no
 * script sees. Both are pinned meanwhile. */

#include <errno.h>

#include "io/stream.h"
#include "kernel/convert.h"
#include "kernel/result.h"

/* Parts the two; the source keeps how it ended. */
static void part(lev_stream *source, int code) {
  lev_stream *sink = source->sink;
  source->sink = NULL;
  sink->source = NULL;
  source->moved_code = (short)code;
  source->used = sink->used = lev_lately();
  if (sink != source)
    lev_stream_refresh(sink);
  lev_stream_refresh(source);
}

void lev_relay_end(lev_stream *source, int code) {
  lev_task *relayer = source->relayer;
  source->cut = code != 0 && relayer == NULL;
  if (source->head.slot != 0 && (source->called || source->listens))
    lev_stream_later(source);
  if (relayer != NULL)
    lev_task_wake(relayer, LEV_HAPPENED);
  part(source, code);
}

void lev_relay_take(lev_stream *source, const char *bytes, size_t n) {
  lev_stream *sink = source->sink;
  source->moved += n;
  if (!lev_stream_pass(sink, bytes, n)) {
    if (source->sink != NULL)
      lev_relay_end(source, sink->error != 0 ? sink->error : EPIPE);
  } else if (lev_stream_unsent(sink) > 0) {
    lev_stream_watch(sink);
    if (sink != source)
      lev_stream_watch(source);
  }
}

/* Pins the streams at 1 and 2. */
static int hold(lua_State *L) {
  lev_stream *sink = lev_check(L, 2, &lev_stream_type);
  lev_pin(L, lev_check(L, 1, &lev_stream_type), 1);
  lev_pin(L, &sink->head, 2);
  lev_stream_expect(L, sink, 2);
  return 0;
}

/* Joins the source at 1 to the sink at 2; false for lack of memory: they are
 * what they were then, and the error is pushed. */
static bool join(lua_State *L, lev_stream *source, lev_stream *sink) {
  source->sink = sink;
  sink->source = source;
  lua_pushcfunction(L, hold);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  if (lua_pcall(L, 2, 0, 0) == LUA_OK)
    return true;
  source->sink = NULL;
  sink->source = NULL;
  lev_unpinidle(L, &source->head);
  lev_unpinidle(L, &sink->head);
  return false;
}

/* What the source has read already goes first. */
static void begin(lev_stream *source, lev_stream *sink) {
  lev_base *base = source->head.base;
  size_t n = lev_stream_unread(source);
  source->changes++;
  source->moved = 0;
  source->moved_code = 0;
  if (base->area.owner == &source->head) {
    base->area.owner = NULL;
    lev_relay_take(source, base->area.bytes + base->area.from, n);
  } else if (n > 0) {
    source->moved = n;
    struct evbuffer *output = lev_stream_output(sink);
    if (output == NULL || evbuffer_add_buffer(output, source->input) != 0)
      lev_stream_break(sink, ENOMEM);
    lev_stream_flush(sink);
    lev_stream_watch(sink);
  }
}

/* Pushes how many bytes went over, or why it ended. */
static int conclude(lua_State *L, const lev_stream *source) {
  if (source->moved_code != 0) {
    if (source->moved_code == ECANCELED)
      lev_closed(L);
    else
      lev_failure(L, "relay", source->moved_code);
    lua_pushinteger(L, (lua_Integer)source->moved);
    return 4;
  }
  lua_pushinteger(L, (lua_Integer)source->moved);
  return 1;
}

static int relayk(lua_State *L, int status, lua_KContext state) {
  (void)status;
  lev_outcome outcome = lev_task_woken(L, state);
  const lev_stream *source = lev_task_object(state);
  if (outcome == LEV_TIMEDOUT) {
    lev_timedout(L);
    lua_pushinteger(L, (lua_Integer)source->moved);
    return 4;
  }
  return conclude(L, source);
}

static void left(lev_task *task) {
  lev_stream *source = (lev_stream *)task->object;
  if (source->sink != NULL)
    part(source, ECANCELED);
}

static const lev_waitkind relaying = {
  .what = "relay",
  .k = relayk,
  .left = left,
};

/* Ends a relay whose task has lost its coroutine. */
static void forget(const lev_stream *source) {
  if (source != NULL && source->relayer != NULL)
    lev_task_waits(source->relayer);
}

static lev_stream *checksink(lua_State *L, const lev_stream *source) {
  lev_stream *sink = lev_check(L, 2, &lev_stream_type);
  forget(sink->source);
  forget(source);
  luaL_argcheck(L, sink->head.base == source->head.base, 2,
                "stream of the same base expected");
  luaL_argcheck(L, sink->source == NULL, 2, "another stream is relayed to it");
  luaL_argcheck(L, source->sink == NULL, 1, "the stream is relayed already");
  luaL_argcheck(L, !source->called, 1, "the stream has a read callback");
  if (source->reader != NULL && lev_task_waits(source->reader))
    lev_task_busy(L, source->reader, "input");
  return sink;
}

/***
Sends what comes in to another stream, or back to the peer, until the input
ends; no more is read while much is queued there. A task waits for the end;
elsewhere it goes on by itself, and the event callback is told of the end. The
other stream may be written to then: @{stream:shutdown} tells its peer, too.
@function stream:relay
@param to libevent.stream
@param timeout? number Seconds for all of it.
@return integer|boolean|nil bytes How many; outside of a task, true.
@return string? message
@return integer? code `ETIMEDOUT`, `ECANCELED` if one of them was closed, or why
the connection broke.
@return integer? moved Then, too, how many bytes were handed over.
*/
int l_stream_relay(lua_State *L) {
  lev_stream *source = lev_stream_self(L);
  lev_stream *sink = checksink(L, source);
  double timeout = lev_opttimeout(L, 3);
  lua_settop(L, 2);
  bool istask = lev_istask(L, source->head.base->state);
  lev_task *task = istask ? lev_task_checkat(L, &source->head) : NULL;
  luaL_argcheck(L, istask || timeout < 0, 3, "only a task can wait");
  if (istask)
    lev_task_prepare(L, task, &relaying, timeout);
  if (sink->broken || sink->shut)
    return lev_failure(L, "relay", sink->error != 0 ? sink->error : EPIPE);
  if (!join(L, source, sink))
    return lua_error(L);
  begin(source, sink);
  if (source->sink != NULL && source->ended)
    lev_relay_end(source, source->end_code);
  if (source->sink != NULL && !lev_stream_watch(source))
    lev_relay_end(source, errno);
  if (source->sink == NULL)
    return conclude(L, source);
  if (!istask) {
    lua_pushboolean(L, 1);
    return 1;
  }
  return lev_task_yield(L, task, &relaying, &source->relayer, &source->head);
}
