-- What memory.c runs with failing allocations: bases as they are configured,
-- events of all kinds and what they tell, signals, and what a base tells.

local libevent, posix = libevent, posix -- luacheck: ignore
local trial = require "spec.host.trial"
local check, same = trial.check, trial.same

--- A base of all options.
local function configured()
  local base <close> = check(libevent.event_base {
    avoid = { "select", "poll" }, require = { "et" }, priorities = 3,
    precise = true, nolock = true,
    max_dispatch = { interval = 1, callbacks = 10, min_priority = 1 },
  })
  same(3, base:priorities())
  check(base:method())
  check(base:features())
  local order = {}
  for priority = 2, 0, -1 do
    local event = check(base:event(-1, "", function()
      order[#order + 1] = priority
    end))
    check(event:priority_set(priority))
    event:active()
  end
  check(base:loop())
  same("012", table.concat(order))
end

local function events(base)
  local r <close>, w = check(libevent.socketpair())
  local _ <close> = w
  local got = libevent.condition "got"
  local event = check(base:event(r, "rp", print))
  same(print, event:callback())
  event:setcb(function(self, what)
    posix.read(r:fd())
    got:signal(1)
    self:remove_timer()
    same("r", what)
  end)
  check(event:add(1))
  check(event:pending())
  same("rp", event:events())
  posix.write(w:fd(), "x")
  check(got:wait(0.1))
  check(event:del())
  event:close()

  local writing <close> = check(base:event(w, "w"))
  same("w", (check(writing:wait(0.1))))
  same("w", (check(libevent.wait(w, "w", 0.1))))
end

local function signals(base)
  local got = libevent.condition()
  local signal = base:signal("USR1", print)
  signal:setcb(function()
    got:signal()
  end)
  check(signal:add())
  same("USR1", signal:name())
  posix.raise(signal:number())
  check(got:wait(0.1))
  check(signal:del())
  signal:close()

  local came <close> = check(libevent.signal("USR2", function()
    got:signal()
  end))
  check(tostring(came))
  posix.raise(12)
  check(got:wait(0.1))
end

--- What a base tells of itself.
local function told(base)
  base:measure { slow = 1 }
  check(base:num_events "added")
  check(base:max_events "added")
  check(base:dump())
  check(base:objects())
  check(base:counters().busy)
  check(base:tasks())
  check(libevent.tasks())
  check(tostring(base))
  base:update_time()
  same(false, base:got_break())
end

trial.run(function(base)
  events(base)
  signals(base)
  told(base)
  local ticks = 0
  for _ in libevent.every(0.0005) do
    ticks = ticks + 1
    if ticks == 3 then
      break
    end
  end
end)
configured()
