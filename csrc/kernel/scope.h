/*
 * Scopes: a scope lives in the task that has opened it, its owner, and ends
 * when all tasks spawned in it have ended. One that fails cancels the others,
 * and the owner's waits in the scope.
 */
#ifndef LEV_SCOPE_H
#define LEV_SCOPE_H

#include "kernel/task.h"

enum { LEV_UV_OUTER = 2, LEV_UV_SCOPEFAILURE = 3, LEV_UV_SCOPETRACE = 4 };

struct lev_scope {
  lev_object head;
  lev_task *owner;    /* NULL when that is gone */
  lev_scope *outer;   /* kept by a user value */
  lev_task *children; /* that have not ended */
  lev_task *joining;  /* the owner, when it waits for them */
  double deadline;    /* its owner's, when it was opened */
  bool canceled;      /* the owner is doomed for that */
  bool closing;       /* no child is to run any more */
  bool failed;        /* a child's error stands in the user values */
  bool first;         /* it had failed before the function did */
  bool cut;           /* a child, or the wait for them, was interrupted */
  bool ok;            /* the function has not failed */
  bool unwinding;     /* the owner was, when it was opened */
};

/* Makes a task a child, and takes it out. [-0, +0, -] */
void lev_scope_enter(lev_scope *scope, lev_task *task);
void lev_scope_leave(lev_task *task);

/* Cancels the children, or the owner too. [-0, +0, -] */
void lev_scope_cancelchildren(lev_scope *scope);
void lev_scope_cancel(lev_scope *scope);

#endif
