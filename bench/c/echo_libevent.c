/* An echo server on C's bufferevents, as libevent's documentation has it: the
 * neighbour that every other is compared with.
 *
 *   echo_libevent PORT
 */

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

static void on_read(struct bufferevent *bev, void *arg) {
  (void)arg;
  evbuffer_add_buffer(bufferevent_get_output(bev), bufferevent_get_input(bev));
}

static void on_event(struct bufferevent *bev, short what, void *arg) {
  (void)what, (void)arg;
  bufferevent_free(bev);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                      struct sockaddr *address, int length, void *arg) {
  (void)listener, (void)address, (void)length;
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct bufferevent *bev =
      bufferevent_socket_new(arg, fd, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_setcb(bev, on_read, NULL, on_event, NULL);
  bufferevent_enable(bev, EV_READ);
}

int main(int argc, char **argv) {
  if (argc < 2)
    return 2;
  struct sockaddr_in at = { .sin_family = AF_INET,
                            .sin_port = htons((uint16_t)atoi(argv[1])),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  signal(SIGPIPE, SIG_IGN);
  struct event_base *base = event_base_new();
  if (evconnlistener_new_bind(base, on_accept, base,
                              LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE, 4096,
                              (const struct sockaddr *)&at, sizeof at) == NULL)
    return 1;
  return event_base_dispatch(base);
}
