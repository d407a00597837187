#include "kernel/scope.h"

void lev_scope_enter(lev_scope *scope, lev_task *task) {
  task->home = task->scope = scope;
  if (scope == NULL)
    return;
  task->sibling = scope->children;
  if (task->sibling != NULL)
    task->sibling->sibling_at = &task->sibling;
  task->sibling_at = &scope->children;
  scope->children = task;
}

void lev_scope_leave(lev_task *task) {
  lev_scope *scope = task->home;
  if (task->sibling_at == NULL)
    return;
  *task->sibling_at = task->sibling;
  if (task->sibling != NULL)
    task->sibling->sibling_at = task->sibling_at;
  task->sibling_at = NULL;
  if (scope->children == NULL && scope->joining != NULL)
    lev_task_wake(scope->joining, LEV_HAPPENED);
}

void lev_scope_cancelchildren(lev_scope *scope) {
  scope->closing = true;
  for (lev_task *task = scope->children; task != NULL; task = task->sibling)
    lev_task_cancel(task);
}

void lev_scope_cancel(lev_scope *scope) {
  if (scope->canceled)
    return;
  scope->canceled = true;
  if (scope->owner != NULL)
    lev_task_doom(scope->owner);
  lev_scope_cancelchildren(scope);
}
