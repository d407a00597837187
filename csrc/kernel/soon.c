#include "kernel/soon.h"

#include "kernel/base.h"
#include "kernel/ready.h"

static void append(lev_base *base, lev_soon *self) {
  self->next = NULL;
  self->at = base->soon.end;
  *self->at = self;
  base->soon.end = &self->next;
}

static void take(lev_base *base, lev_soon *self) {
  if (self->at == NULL)
    return;
  *self->at = self->next;
  if (self->next != NULL)
    self->next->at = self->at;
  else
    base->soon.end = self->at;
  self->at = NULL;
}

/* What is added while others are being called waits for the next turn. */
static void wake(lev_base *base) {
  if (!base->soon.running || event_add(&base->soon.event, &lev_at_once) != 0)
    event_active(&base->soon.event, EV_TIMEOUT, 1);
}

void lev_soon_add(lev_soon *self, lev_object *object) {
  if (self->at != NULL)
    return;
  self->object = object;
  append(object->base, self);
  wake(object->base);
}

void lev_soon_del(lev_soon *self) {
  if (self->at != NULL)
    take(self->object->base, self);
}

void lev_soon_run(lev_base *base) {
  lev_soon mark; /* what is added meanwhile comes behind it */
  append(base, &mark);
  base->soon.running = true;
  while (base->soon.first != &mark && !lev_mustend(base)) {
    lev_soon *next = base->soon.first;
    take(base, next);
    next->object->type->soon(next->object);
  }
  take(base, &mark);
  if (base->head.open && base->soon.first != NULL)
    wake(base);
  base->soon.running = false;
}

void lev_onsoon(evutil_socket_t fd, short what, void *base) {
  (void)fd, (void)what;
  lev_soon_run(base);
}
