/* The timers of C's libevent, as bench/timers.lua has them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

static long fired;

static void on_once(evutil_socket_t fd, short what, void *arg) {
  (void)fd, (void)what;
  fired++;
  event_free(*(struct event **)arg);
}

static void on_tick(evutil_socket_t fd, short what, void *arg) {
  (void)fd, (void)what, (void)arg;
  fired++;
}

static double uniform(void) {
  return (double)random() / ((double)RAND_MAX + 1);
}

static struct timeval seconds(double s) {
  return (struct timeval){ (time_t)s,
                           (suseconds_t)((s - (double)(time_t)s) * 1e6) };
}

int main(int argc, char **argv) {
  if (argc < 3)
    return 2;
  long n = atol(argv[2]);
  struct event_base *base = event_base_new();
  struct event **events = calloc((size_t)n + 1, sizeof *events);
  for (long i = 0; i < n; i++) {
    if (strcmp(argv[1], "oneshot") == 0) {
      struct timeval tv = seconds(uniform());
      events[i] = event_new(base, -1, 0, on_once, &events[i]);
      event_add(events[i], &tv);
    } else if (strcmp(argv[1], "periodic") == 0) {
      struct timeval tv = { 0, 1000 };
      events[i] = event_new(base, -1, EV_PERSIST, on_tick, NULL);
      event_add(events[i], &tv);
    } else {
      struct timeval tv = seconds(uniform() * 1000);
      events[i] = event_new(base, -1, 0, on_tick, NULL);
      event_add(events[i], &tv);
      event_free(events[i]);
    }
  }
  if (strcmp(argv[1], "periodic") == 0) {
    struct timeval end = { 3, 0 };
    event_base_loopexit(base, &end);
  }
  if (strcmp(argv[1], "cancel") != 0)
    event_base_dispatch(base);
  printf("%ld\n", fired);
  return 0;
}
