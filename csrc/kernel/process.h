/*
 * What belongs to the whole process: the only static data that changes. Any
 * number of Lua states in any number of threads may come here.
 */
#ifndef LEV_PROCESS_H
#define LEV_PROCESS_H

#include <stdbool.h>

#include "kernel/base.h"
#include "kernel/state.h"

/* Installs what libevent keeps for the process; does so once. */
void lev_process_open(void);

/* Whether libevent's debug mode is on: LIBEVENT_DEBUG_MODE was set when the
 * module was loaded first. */
bool lev_debugmode(void);

/* Signals: libevent delivers them to one base of a process only. Claiming
 * them for a base fails while another has signals pending. A forked child has
 * no owner, and its signals do again what they did before they were watched:
 * else libevent's handler would deliver them to the parent. */
bool lev_signals_claim(const lev_base *base);
void lev_signals_release(const lev_base *base);

/* Notes that a signal is about to be watched, or is so no longer. */
void lev_signals_watch(int number);
void lev_signals_unwatch(int number);

/* Whether it is watched. */
bool lev_signals_watched(int number);

/* Has a signal ignored that nobody watches; false with errno if that cannot
 * be. */
bool lev_signals_ignore(int number);

/* Whether it is ignored, or was, since we asked for it: it was the default
 * before, as it is for programs that we start. */
bool lev_signals_ignored(int number);

/* What SIGPIPE does to the process: set to ignored at load if nobody had set
 * it, since libevent's own writes cannot suppress it. */
bool lev_sigpipe_ignored(void);
void lev_sigpipe_ignore(bool ignore);

enum {
  LEV_LOG_LINE = 256
}; /* bytes of a log line, with the \0; the rest is cut */

/* libevent's log lines: taken by one Lua state, or dropped. */
void lev_log_take(lev_state *state, bool take);

/* Adds a line of our own; 'severity' is libevent's. */
void lev_log_put(int severity, const char *message);

/* How many lines wait, for whichever state. */
LEV_HIDDEN extern atomic_uint lev_log_lines;

/* Whether lines wait for this state. */
bool lev_log_waiting(const lev_state *state);

/* Moves the oldest line out, cut to size; returns its severity, or -1 if there
 * is none. 'lost' is how many were dropped before it. */
int lev_log_next(char *line, size_t size, unsigned *lost);

#endif
