-- A rate limit: so many jobs a second pass, and a few at once after a rest. Who
-- has more of them has to wait.
--
--   lua5.4 examples/tasks/rate.lua [JOBS [A_SECOND [AT_ONCE]]]

local libevent = require "libevent"

local jobs = tonumber(arg[1]) or 30
local rate = tonumber(arg[2]) or 10
local burst = tonumber(arg[3]) or 5

--- Passes values from one queue to another at that rate, until the first is
-- closed and empty. Permits come with time, up to those for a burst.
local function limit(from, to, per_second, at_once)
  local permits = libevent.semaphore(at_once)
  local timer <close> = libevent.base():timer(function(timer)
    if permits:count() < at_once then
      permits:release()
    end
    timer:add(1 / per_second)
  end)
  timer:add(1 / per_second)
  for value in from:values() do
    permits:acquire()
    to:put(value)
  end
  to:close()
end

libevent.run(function()
  local source, paced = libevent.queue(), libevent.queue(1)
  for i = 1, jobs do
    source:put(i)
  end
  source:close()
  libevent.spawn(limit, source, paced, rate, burst)

  local base = libevent.base()
  local began = base:now()
  for job in paced:values() do
    print(("%.2f s: job %d"):format(base:now() - began, job))
  end
end)
