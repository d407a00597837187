/* Reasons why the waits of a task raise: they come, and may go. */

#include "kernel/task.h"

void lev_task_doom(lev_task *task) {
  task->doomed++;
  task->limited = true;
  if (task->state != LEV_WAITING ||
      (task->unwinding && task->grace > 0 && !task->kind->shielded))
    return;
  if (task->kind->left != NULL)
    task->kind->left(task);
  lev_task_wake(task, LEV_CANCELED);
}

void lev_task_spare(lev_task *task) {
  task->doomed--;
  lev_task_calm(task);
}

void lev_task_calm(lev_task *task) {
  if (task->doomed == 0 &&
      (task->deadline == 0 || lev_now() < task->deadline)) {
    task->grace = 0;
    task->expired = false;
  }
}

bool lev_task_cancel(lev_task *task) {
  if (task->state == LEV_DONE)
    return false;
  if (!task->canceled) {
    task->canceled = true;
    lev_task_doom(task);
  }
  return true;
}
