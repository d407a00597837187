#ifndef LEV_TYPES_EVENT_H
#define LEV_TYPES_EVENT_H

#include "kernel/object.h"

extern const lev_type lev_event;

#endif
