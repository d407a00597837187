#include "kernel/process.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel/interrupt.h"
#include "kernel/traceback.h"

enum { LEV_LINES = 64 }; /* that wait at most */

static pthread_once_t once = PTHREAD_ONCE_INIT;
atomic_uint lev_forks;
static atomic_bool debugmode;
atomic_uint lev_log_lines;
static _Atomic(const lev_base *) signal_owner;

/* By number: how often a signal is watched, by the owner, and what it did
 * before. */
static struct {
  unsigned count;
  struct sigaction before;
} watched[NSIG];

/* By number: whether a signal is ignored since we asked for it. */
static atomic_bool ignored[NSIG];

/* A ring of lines. Its lock is only ever tried: libevent may log in a signal
 * handler, and a line is worth less than a deadlock. */
static struct {
  atomic_flag lock;
  _Atomic(lev_state *) taker;
  unsigned first, lost;
  struct {
    int severity;
    char text[LEV_LOG_LINE];
  } lines[LEV_LINES];
} ring = { .lock = ATOMIC_FLAG_INIT };

static void copy(char *to, const char *from, size_t size) {
  size_t length = strnlen(from, size - 1);
  memcpy(to, from, length);
  to[length] = '\0';
}

/* libevent found itself broken and says so before it exits or aborts: Lua
 * cannot be told any more. */
static void last_words(const char *message) {
  static const char name[] = "libevent: ";
  struct iovec parts[] = {
    { (void *)(uintptr_t)name, sizeof name - 1 },
    { (void *)(uintptr_t)message, strlen(message) },
    { (void *)(uintptr_t) "\n", 1 },
  };
  ssize_t n = writev(STDERR_FILENO, parts, 3);
  (void)n;
}

void lev_log_put(int severity, const char *message) {
  if (atomic_load(&ring.taker) == NULL || atomic_flag_test_and_set(&ring.lock))
    return;
  unsigned waiting = atomic_load(&lev_log_lines);
  if (waiting < LEV_LINES) {
    unsigned i = (ring.first + waiting) % LEV_LINES;
    ring.lines[i].severity = severity;
    copy(ring.lines[i].text, message, LEV_LOG_LINE);
    atomic_store(&lev_log_lines, waiting + 1);
  } else {
    ring.lost++;
  }
  atomic_flag_clear(&ring.lock);
}

static void on_log(int severity, const char *message) {
  if (severity == EVENT_LOG_ERR)
    last_words(message);
  lev_log_put(severity, message);
}

static void on_fatal(int code) {
  (void)code;
  abort();
}

static void on_child(void) {
  atomic_fetch_add(&lev_forks, 1);
  atomic_store(&signal_owner, NULL);
  for (int number = 1; number < NSIG; number++) {
    if (watched[number].count > 0) /* reinit watches it again */
      sigaction(number, &watched[number].before, NULL);
  }
  lev_interrupt_forget();
  lev_traceback_forget();
  atomic_flag_clear(&ring.lock); /* its holder may be a thread left behind */
}

static void install(void) {
  struct sigaction pipe;
  const char *debug = getenv("LIBEVENT_DEBUG_MODE");
  event_set_log_callback(on_log);
  event_set_fatal_callback(on_fatal);
  if (debug != NULL && *debug != '\0') {
    event_enable_debug_mode();
    atomic_store(&debugmode, true);
  }
  pthread_atfork(NULL, NULL, on_child);
  if (sigaction(SIGPIPE, NULL, &pipe) == 0 && pipe.sa_handler == SIG_DFL)
    lev_sigpipe_ignore(true);
}

void lev_process_open(void) {
  pthread_once(&once, install);
}

bool lev_debugmode(void) {
  return atomic_load(&debugmode);
}

bool lev_signals_claim(const lev_base *base) {
  const lev_base *owner = NULL;
  return atomic_compare_exchange_strong(&signal_owner, &owner, base) ||
         owner == base;
}

void lev_signals_release(const lev_base *base) {
  const lev_base *owner = base;
  atomic_compare_exchange_strong(&signal_owner, &owner, NULL);
}

void lev_signals_watch(int number) {
  if (watched[number].count++ == 0)
    sigaction(number, NULL, &watched[number].before);
}

void lev_signals_unwatch(int number) {
  if (watched[number].count > 0)
    watched[number].count--;
}

bool lev_signals_watched(int number) {
  return watched[number].count > 0;
}

bool lev_signals_ignore(int number) {
  struct sigaction action = { .sa_handler = SIG_IGN }, before;
  sigemptyset(&action.sa_mask);
  errno = EBUSY;
  if (lev_signals_watched(number) || lev_traceback_has(number) ||
      sigaction(number, &action, &before) != 0)
    return false;
  if (before.sa_handler == SIG_DFL)
    atomic_store(&ignored[number], true);
  return true;
}

bool lev_signals_ignored(int number) {
  return atomic_load(&ignored[number]);
}

bool lev_sigpipe_ignored(void) {
  struct sigaction pipe;
  return sigaction(SIGPIPE, NULL, &pipe) == 0 && pipe.sa_handler == SIG_IGN;
}

void lev_sigpipe_ignore(bool ignore) {
  struct sigaction pipe = { .sa_handler = ignore ? SIG_IGN : SIG_DFL }, before;
  sigemptyset(&pipe.sa_mask);
  if (sigaction(SIGPIPE, &pipe, &before) == 0 && ignore &&
      before.sa_handler == SIG_DFL)
    atomic_store(&ignored[SIGPIPE], true);
}

void lev_log_take(lev_state *state, bool take) {
  lev_state *taker = state;
  if (take)
    atomic_store(&ring.taker, state);
  else
    atomic_compare_exchange_strong(&ring.taker, &taker, NULL);
}

bool lev_log_waiting(const lev_state *state) {
  return atomic_load_explicit(&lev_log_lines, memory_order_relaxed) > 0 &&
         atomic_load(&ring.taker) == state;
}

int lev_log_next(char *line, size_t size, unsigned *lost) {
  int severity = -1;
  if (atomic_flag_test_and_set(&ring.lock))
    return -1;
  unsigned waiting = atomic_load(&lev_log_lines);
  if (waiting > 0) {
    severity = ring.lines[ring.first].severity;
    copy(line, ring.lines[ring.first].text, size);
    *lost = ring.lost;
    ring.lost = 0;
    ring.first = (ring.first + 1) % LEV_LINES;
    atomic_store(&lev_log_lines, waiting - 1);
  }
  atomic_flag_clear(&ring.lock);
  return severity;
}
