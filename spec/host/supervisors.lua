-- What memory.c runs with failing allocations: a supervisor whose worker says
-- that it is ready, and is ended.

local libevent = libevent -- luacheck: ignore
local trial = require "spec.host.trial"
local check, same = trial.check, trial.same

libevent.log.output(function() end)

trial.run(function()
  local supervisor <close> = check(libevent.supervisor {
    "sh", "-c", "echo READY=1 >&$EVRUN_CHANNEL; exec sleep 10",
    listen = "127.0.0.1:0", heartbeat = 0, name = "memory", backoff = 10,
  })
  check(supervisor:wait_ready(1))
  same("ready", supervisor:status().workers[1].state)
  check(supervisor:pids()[1], "no worker has memory")
  supervisor:close()
  check(supervisor:wait(1))
end)
