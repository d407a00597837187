#include "kernel/api.h"

static const lev_api api = {
  .version = LEV_API_VERSION,
  .size = sizeof(lev_api),
  .event_base = &lev_event_base,
  .lend = lev_base_lend,
  .takeback = lev_base_takeback,
  .ptr = lev_base_ptr,
  .register_type = lev_register,
  .create = lev_new,
  .open = lev_open,
  .close = lev_close,
  .self = lev_selfcheck,
  .check = lev_check,
  .test = lev_test,
  .setcallback = lev_setcallback,
  .pin = lev_pin,
  .unpin = lev_unpin,
  .enter = lev_enter,
  .entertop = lev_entertop,
  .leave = lev_leave,
  .leavetop = lev_leavetop,
  .deadline_add = lev_deadline_add,
  .deadline_del = lev_deadline_del,
  .deadline_pending = lev_deadline_pending,
  .checkseconds = lev_checkseconds,
  .checkint = lev_checkint,
  .checkfd = lev_checkfd,
  .checkoptions = lev_checkoptions,
  .optboolean = lev_optboolean,
  .failure = lev_failure,
  .result = lev_result,
};

void lev_api_publish(lua_State *L) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)&api);
  lua_setfield(L, LUA_REGISTRYINDEX, LEV_API_KEY);
}
