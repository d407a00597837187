/* The bytes that readline gets. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <readline/readline.h>

#include "readline/editor.h"

/* Milliseconds for the rest of a key that is several bytes. */
enum { LEV_PATIENCE = 1000 };

/* What terminals send before and behind a text that is pasted. */
static const char *const marks[] = { "\033[200~", "\033[201~" };

/* Notes a byte that was read. */
static void follow(char byte) {
  const char *mark = marks[lev_readline.pasting];
  if (mark[lev_readline.marked] != byte)
    lev_readline.marked = 0;
  if (mark[lev_readline.marked] == byte)
    lev_readline.marked++;
  if (mark[lev_readline.marked] == '\0') {
    lev_readline.pasting = !lev_readline.pasting;
    lev_readline.marked = 0;
  }
}

/* There is nothing to read. Within a text that is pasted, readline must not be
 * told so (it would insert what no zero ends), but that the text has ended. */
static int no_byte(void) {
  if (!lev_readline.pasting)
    return EOF;
  unsigned char byte = (unsigned char)marks[1][lev_readline.sent++];
  if (marks[1][lev_readline.sent] == '\0') {
    lev_readline.pasting = false;
    lev_readline.sent = 0;
  }
  return byte;
}

/* Readline wants a byte. Where it is one of several, such as those of an arrow,
 * the rest is on its way; if it is not, readline gives up. */
int lev_readline_byte(FILE *file) {
  struct pollfd input = { .fd = fileno(file), .events = POLLIN };
  char byte;
  if (RL_ISSTATE(RL_STATE_READCMD) && lev_readline.pasting) {
    lev_readline.pasting = false; /* it was no mark: a key begins */
    lev_readline.marked = lev_readline.sent = 0;
  }
  while (!lev_readline.ended && lev_readline.sent == 0) {
    int ready = poll(&input, 1, LEV_PATIENCE);
    if (ready == 0)
      break;
    ssize_t n = ready < 0 ? -1 : read(input.fd, &byte, 1);
    if (n == 1) {
      follow(byte);
      return (unsigned char)byte;
    }
    if (n == 0 || (errno != EINTR && errno != EAGAIN))
      lev_readline.ended = lev_readline.gone = true;
  }
  return no_byte();
}

bool lev_readline_ready(void) {
  struct pollfd input = { .fd = fileno(rl_instream), .events = POLLIN };
  return poll(&input, 1, 0) > 0;
}
