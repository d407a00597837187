/* Standing in line: who waits, who was served, and what a task holds. */

#include "kernel/task.h"

void lev_waiters_add(lev_waiters *list, lev_task *task) {
  task->wait.next = NULL;
  task->wait.list = list;
  task->wait.at = list->end;
  *list->end = task;
  list->end = &task->wait.next;
}

void lev_task_serve(lev_task *task, lev_waiters *served) {
  lev_task_wake(task, LEV_HAPPENED);
  lev_waiters_add(served, task);
}

void lev_task_lose(lev_task *task) {
  if (task->state == LEV_READY && task->wait.at != NULL)
    task->kind->lost(task);
}

void lev_task_hold(lev_task *task, lev_hold *hold) {
  hold->task = task;
  hold->at = &task->holds;
  hold->next = task->holds;
  if (hold->next != NULL)
    hold->next->at = &hold->next;
  task->holds = hold;
}

void lev_task_unhold(lev_hold *hold) {
  if (hold->task == NULL)
    return;
  *hold->at = hold->next;
  if (hold->next != NULL)
    hold->next->at = hold->at;
  hold->task = NULL;
}

void lev_task_leave(lev_task *task) {
  while (task->holds != NULL) {
    lev_hold *hold = task->holds;
    lev_task_unhold(hold);
    hold->left(hold);
  }
}
