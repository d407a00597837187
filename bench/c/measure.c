/* Runs a program and prints what it cost: seconds of processor time, peak
 * resident memory in KiB, and the last line that the program printed. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  int fds[2], status;
  char line[256] = "", text[256];
  struct rusage usage;
  if (argc < 2 || pipe(fds) != 0)
    return 2;
  pid_t pid = fork();
  if (pid == 0) {
    dup2(fds[1], STDOUT_FILENO);
    close(fds[0]);
    close(fds[1]);
    execvp(argv[1], argv + 1);
    _exit(127);
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
  printf("%.4f %ld %s", seconds, usage.ru_maxrss, line);
  return 0;
}
