-- What memory.c runs with failing allocations: a service that drains.

local libevent = libevent -- luacheck: ignore
local trial = require "spec.host.trial"
local check, same = trial.check, trial.same

libevent.log.output(function() end)

local function serve(base)
  local drained = false
  local service = libevent.service
  service.start { drain = 0.01 }
  local server = check(libevent.serve(service.address "127.0.0.1:0",
    function(stream)
      stream:read "l"
    end))
  local remove = libevent.on_drain(print)
  remove()
  libevent.on_drain(function()
    drained = true
  end)
  service.ready()
  service.status "at work"
  local stream <close> = check(libevent.connect((check(server:getsockname())),
    { timeout = 0.1, linger = 0.01 }))
  while server:counters().open == 0 do
    libevent.sleep(0)
  end
  same(0, (libevent.drain(base, 0.1, 0)))
  same(true, drained)
  same(nil, (stream:read "l"))
end

trial.run(function(base)
  serve(base)
end)
