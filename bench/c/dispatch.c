/* What C's libevent needs to call back: bench/dispatch.lua in C. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

static struct event_base *base;
static struct event *self;
static long left;
static int again;

static void on_event(evutil_socket_t fd, short what, void *arg) {
  (void)fd, (void)what, (void)arg;
  if (--left <= 0)
    event_base_loopbreak(base);
  else if (again)
    event_active(self, EV_READ, 1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc < 3)
    return 2;
  long n = left = atol(argv[2]);
  int ready = strcmp(argv[1], "ready") == 0;
  int active = strcmp(argv[1], "active") == 0;
  again = strcmp(argv[1], "again") == 0;
  if (!ready && !active && !again)
    return 2;
  base = event_base_new();
  if (again) {
    self = event_new(base, -1, 0, on_event, NULL);
    event_active(self, EV_READ, 1);
  } else if (active) {
    for (long i = 0; i < n; i++)
      event_active(event_new(base, -1, 0, on_event, NULL), EV_READ, 1);
  } else {
    for (int i = 0, p[2]; i < 64; i++) {
      if (pipe(p) != 0)
        return 1;
      event_add(event_new(base, p[1], EV_WRITE | EV_PERSIST, on_event, NULL),
                NULL);
    }
  }
  double start = now();
  event_base_dispatch(base);
  printf("%.1f\n", (now() - start) * 1e9 / (double)n);
  return 0;
}
