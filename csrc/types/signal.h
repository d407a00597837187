#ifndef LEV_TYPES_SIGNAL_H
#define LEV_TYPES_SIGNAL_H

#include "kernel/object.h"

extern const lev_type lev_signal;

#endif
