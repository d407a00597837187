#ifndef LEV_TYPES_TIMER_H
#define LEV_TYPES_TIMER_H

#include "kernel/object.h"

extern const lev_type lev_timer;

#endif
