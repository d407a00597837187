-- What memory.c runs with failing allocations: tasks, what is told of them, and
-- how they end: by themselves, in scopes, canceled, at a deadline, by an error.

local libevent = libevent -- luacheck: ignore
local trial = require "spec.host.trial"
local check, same = trial.check, trial.same

local function told()
  local task = libevent.spawn(libevent.sleep, 1)
  task:name "sleeper"
  libevent.sleep(0)
  same("sleeper", task:name())
  same("waiting", task:status())
  same("sleep", (task:waits()))
  check(task:where())
  check(task:traceback())
  check(tostring(task))
  check(libevent.tasks()[1].name)
  task:cancel()
  same("canceled", select(2, task:wait()))
  same(true, task:is_done())
end

local function scopes()
  local n = 0
  local sum = libevent.scope(function(scope)
    local one = scope:spawn(function() return 1 end)
    local two = scope:spawn(function() libevent.sleep(0) return 2 end)
    return one:wait() + two:wait()
  end)
  same(3, sum)
  local ok, err = libevent.pcall(libevent.scope, function(scope)
    scope:spawn(function()
      local closed <close> = setmetatable({}, { -- luacheck: ignore
        __close = function() n = n + 1 end,
      })
      libevent.sleep(1)
    end)
    libevent.sleep(0) -- until it does
    scope:spawn(error, "of a child", 0)
    libevent.sleep(1)
  end)
  same(false, ok)
  same("of a child", err)
  same(1, n)
end

local function ends()
  same("timed out", select(2, libevent.timeout(0.001, libevent.sleep, 1)))
  local limited = libevent.spawn(function()
    libevent.running():limit(1000)
    while true do end
  end)
  same(false, (libevent.pcall(limited.wait, limited)))
  check(limited:traceback())
  local n = libevent.future()
  libevent.defer(function() n:set "deferred" end)
  same("deferred", n:wait(0.1))
  local later = libevent.future()
  libevent.after(0, function(...) later:set(...) end, "later")
  same("later", later:wait(0.1))
end

trial.run(function()
  told()
  scopes()
  ends()
end)
