/* Starts the programs that are measured: on one core, with many descriptors,
 * and never for longer than it may take.
 *
 *   program start SECONDS CORE PROGRAM...   becomes the program; its first line
 *                                           of output is the process
 *   program cost SECONDS CORE PROGRAM...    prints what it cost: seconds of
 *                                           processor time, peak resident
 *                                           memory in KiB, and the last line
 *                                           that the program printed
 */

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define DESCRIPTORS 16384

/* Stays on the core of that place among those that this process may use;
 * anywhere, if there are fewer. */
static void pin(int place) {
  cpu_set_t allowed, one;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 ||
      CPU_COUNT(&allowed) < 2)
    return;
  for (size_t core = 0; core < CPU_SETSIZE; core++)
    if (CPU_ISSET(core, &allowed) && place-- == 0) {
      CPU_ZERO(&one);
      CPU_SET(core, &one);
      sched_setaffinity(0, sizeof one, &one);
    }
}

/* More than the hard limit only root may have. */
static void allow_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return;
  struct rlimit more = { DESCRIPTORS, limit.rlim_max < DESCRIPTORS
                                          ? DESCRIPTORS
                                          : limit.rlim_max };
  if (setrlimit(RLIMIT_NOFILE, &more) != 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

/* The alarm and the wish to die with the parent outlive exec. */
static void become(char **argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm((unsigned)atoi(argv[2]));
  pin(atoi(argv[3]));
  allow_descriptors();
  execvp(argv[4], argv + 4);
  fprintf(stderr, "%s: not found\n", argv[4]);
  _exit(127);
}

static int cost(char **argv) {
  int fds[2], status;
  char line[256] = "", text[256];
  struct rusage usage;
  if (pipe(fds) != 0)
    return 2;
  pid_t pid = fork();
  if (pid == 0) {
    dup2(fds[1], STDOUT_FILENO);
    close(fds[0]);
    close(fds[1]);
    become(argv);
  }
  close(fds[1]);
  FILE *output = fdopen(fds[0], "r");
  while (fgets(text, sizeof text, output) != NULL)
    memcpy(line, text, sizeof line);
  if (wait4(pid, &status, 0, &usage) != pid || status != 0)
    return 1;
  double seconds =
      (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
      (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  printf("%.6f %ld %s", seconds, usage.ru_maxrss, line);
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 5)
    return 2;
  if (strcmp(argv[1], "cost") == 0)
    return cost(argv);
  printf("%d\n", (int)getpid());
  fflush(stdout);
  become(argv);
}
