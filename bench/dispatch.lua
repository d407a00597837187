-- Dispatch: lua5.4 bench/dispatch.lua MODE N, prints nanoseconds a callback.
--
--   active  N events are active when the loop starts
--   again   one event makes itself active again in its callback
--   ready   64 descriptors are always writable
--   task    the same, and a task waits for each

local libevent = require "libevent"

local WATCHED = 64
local mode, n = arg[1], tonumber(arg[2])
local base = assert(libevent.event_base())
local left = n

local function callback(event)
  left = left - 1
  if left <= 0 then
    base:loopbreak()
  elseif mode == "again" then
    event:active()
  end
end

local function count()
  left = left - 1
  if left <= 0 then
    base:loopbreak()
  end
end

--- Waits again and again.
local function follow(event)
  local wait = event.wait
  for _ = 1, n // WATCHED do
    wait(event)
  end
  base:loopbreak()
end

local events = {}
if mode == "again" then
  base:event(-1, "", callback):active()
elseif mode == "active" then
  for i = 1, n do
    events[i] = base:event(-1, "", count)
    events[i]:active()
  end
else
  for i = 1, WATCHED do
    local _, w = require "spec.posix".pipe()
    if mode == "task" then
      base:task(follow, base:event(w, "wp"))
    else
      events[i] = base:event(w, "wp", count)
      events[i]:add()
    end
  end
end
collectgarbage()
collectgarbage "stop"
local start = base:now()
base:dispatch()
print(("%.1f"):format((base:now() - start) * 1e9 / n))
