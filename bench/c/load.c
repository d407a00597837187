/* The clients of an echo server on 127.0.0.1, in one thread on epoll.
 *
 *   load port                   prints a port that is free
 *   load echo PORT OPTION...    sends, reads what comes back, prints one line:
 *                               "messages N rate N cpu US share S"
 *   load idle PORT OPTION...    opens connections, each of which echoes one
 *                               message, prints "ready" and holds them
 *
 *   -c N   connections           -t S    seconds that are measured
 *   -m N   bytes in a message    -w S    seconds before them
 *   -d N   messages in flight    -n N    ends after so many messages instead
 *   -s PID the server, whose processor time per message is `cpu`
 *   -b     never sleeps: to wake a client would be part of the server's cost;
 *          `share` is the part of its core that the client then has had
 *   -V     checks every byte
 *
 * A connection that is lost ends it with an error.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The bytes sent repeat with a period that no buffer's size has. */
#define PERIOD 251
#define CHUNK ((size_t)256 * 1024)

typedef struct connection {
  int fd;
  int waiting;             /* for room to write */
  uint64_t sent, received; /* bytes so far */
  size_t unsent;           /* bytes of begun messages */
  size_t got;              /* bytes of the message that arrives */
} connection;

typedef struct sample {
  double time, cpu, own;
  uint64_t messages;
} sample;

static struct {
  uint16_t port;
  int connections, depth, busy, verify;
  size_t size;
  double seconds, warmup;
  uint64_t limit;
  pid_t server;
} option = { .connections = 64, .depth = 1, .size = 64, .seconds = 1 };

static char pattern[CHUNK + PERIOD], received[CHUNK];
static uint64_t begun, messages;
static int epoll;

_Noreturn static void fail(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double seconds_of(clockid_t clock) {
  struct timespec t = { 0, 0 };
  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The clock of a process counts all its threads, in nanoseconds. */
static sample take(void) {
  clockid_t clock;
  sample now = { .time = seconds_of(CLOCK_MONOTONIC),
                 .own = seconds_of(CLOCK_PROCESS_CPUTIME_ID),
                 .messages = messages };
  if (option.server != 0 && clock_getcpuclockid(option.server, &clock) == 0)
    now.cpu = seconds_of(clock);
  return now;
}

static struct sockaddr_in address(uint16_t port) {
  return (struct sockaddr_in){ .sin_family = AF_INET,
                               .sin_port = htons(port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int dial(void) {
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in to = address(option.port);
  if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0)
    fail("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static void watch(connection *c, int operation) {
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
  if (c->waiting)
    event.events |= EPOLLOUT;
  if (epoll_ctl(epoll, operation, c->fd, &event) != 0)
    fail("epoll_ctl");
}

/* Begins so many messages, unless there have been enough. */
static void begin(connection *c, int count) {
  for (; count > 0 && (option.limit == 0 || begun < option.limit); count--) {
    begun++;
    c->unsent += option.size;
  }
}

static void send_some(connection *c) {
  while (c->unsent > 0) {
    size_t length = c->unsent < CHUNK ? c->unsent : CHUNK;
    ssize_t n = send(c->fd, pattern + c->sent % PERIOD, length,
                     MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN)
      fail("send");
    if (n < 0)
      break;
    c->sent += (uint64_t)n;
    c->unsent -= (size_t)n;
  }
  if (c->waiting != (c->unsent > 0)) {
    c->waiting = c->unsent > 0;
    watch(c, EPOLL_CTL_MOD);
  }
}

/* Returns how many messages are complete. */
static int receive(connection *c, int flags) {
  ssize_t n = recv(c->fd, received, CHUNK, flags);
  if (n < 0 && errno == EAGAIN)
    return 0;
  if (n <= 0)
    fail("connection lost");
  if (option.verify &&
      memcmp(received, pattern + c->received % PERIOD, (size_t)n) != 0) {
    fprintf(stderr, "load: other bytes came back\n");
    exit(3);
  }
  c->received += (uint64_t)n;
  c->got += (size_t)n;
  size_t complete = c->got / option.size;
  c->got %= option.size;
  messages += complete;
  return (int)complete;
}

static void turn(void) {
  struct epoll_event events[1024];
  int n = epoll_wait(epoll, events, 1024, option.busy ? 0 : 100);
  for (int i = 0; i < n; i++) {
    connection *c = events[i].data.ptr;
    if (events[i].events & ~(unsigned)EPOLLOUT)
      begin(c, receive(c, MSG_DONTWAIT));
    if (c->unsent > 0 || c->waiting)
      send_some(c);
  }
}

static sample turns(double seconds) {
  double until = seconds_of(CLOCK_MONOTONIC) + seconds;
  while (seconds_of(CLOCK_MONOTONIC) < until &&
         (option.limit == 0 || messages < option.limit))
    turn();
  return take();
}

static void echo(connection *connections) {
  epoll = epoll_create1(0);
  for (int i = 0; i < option.connections; i++) {
    connections[i].fd = dial();
    watch(&connections[i], EPOLL_CTL_ADD);
  }
  for (int i = 0; i < option.connections; i++) {
    begin(&connections[i], option.depth);
    send_some(&connections[i]);
  }
  sample first = option.warmup > 0 ? turns(option.warmup) : take();
  sample last = turns(option.seconds);
  double done = (double)(last.messages - first.messages);
  double time = last.time - first.time;
  if (done == 0) {
    fprintf(stderr, "load: nothing came back\n");
    exit(1);
  }
  printf("messages %.0f rate %.1f cpu %.4f share %.3f\n", done, done / time,
         (last.cpu - first.cpu) * 1e6 / done, (last.own - first.own) / time);
}

/* One after the other: a server that cannot follow makes the next one wait. */
static void idle(connection *connections) {
  for (int i = 0; i < option.connections; i++) {
    connection *c = &connections[i];
    c->fd = dial();
    if (option.size > 0 &&
        send(c->fd, pattern, option.size, MSG_NOSIGNAL) != (ssize_t)option.size)
      fail("send");
    while (option.size > 0 && receive(c, 0) == 0)
      continue;
  }
  printf("ready\n");
  fflush(stdout);
  pause();
}

static int print_free_port(void) {
  struct sockaddr_in at = address(0);
  socklen_t length = sizeof at;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(fd, (const struct sockaddr *)&at, length) != 0 ||
      getsockname(fd, (struct sockaddr *)&at, &length) != 0)
    fail("bind");
  printf("%d\n", ntohs(at.sin_port));
  return 0;
}

static int options(int argc, char **argv) {
  for (int letter; (letter = getopt(argc, argv, "c:m:d:t:w:n:s:bV")) != -1;)
    switch (letter) {
    case 'c':
      option.connections = atoi(optarg);
      break;
    case 'm':
      option.size = (size_t)atol(optarg);
      break;
    case 'd':
      option.depth = atoi(optarg);
      break;
    case 't':
      option.seconds = atof(optarg);
      break;
    case 'w':
      option.warmup = atof(optarg);
      break;
    case 'n':
      option.limit = (uint64_t)atoll(optarg);
      break;
    case 's':
      option.server = atoi(optarg);
      break;
    case 'b':
      option.busy = 1;
      break;
    case 'V':
      option.verify = 1;
      break;
    default:
      return 0;
    }
  return option.connections > 0 && option.depth > 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "port") == 0)
    return print_free_port();
  if (argc < 3 || !options(argc - 2, argv + 2))
    return 2;
  option.port = (uint16_t)atoi(argv[2]);
  for (size_t i = 0; i < sizeof pattern; i++)
    pattern[i] = (char)(i % PERIOD);
  connection *connections =
      calloc((size_t)option.connections, sizeof *connections);
  if (connections == NULL)
    return 1;
  if (strcmp(argv[1], "echo") == 0 && option.size > 0)
    echo(connections);
  else if (strcmp(argv[1], "idle") == 0)
    idle(connections);
  else
    return 2;
  return 0;
}
