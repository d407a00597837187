-- Timers: lua5.4 bench/timers.lua MODE N, prints how many called back.
--
--   oneshot   N timers, at random times within a second
--   periodic  N timers of a millisecond each, for three seconds
--   cancel    N timers, made, added and closed one after the other

local libevent = require "libevent"

local mode, n = arg[1], tonumber(arg[2])
local base = assert(libevent.event_base())
local random = math.random
local fired = 0

local function once()
  fired = fired + 1
end

local function tick(timer)
  fired = fired + 1
  timer:add(0.001)
end

for _ = 1, n do
  if mode == "oneshot" then
    base:timer(once):add(random())
  elseif mode == "periodic" then
    base:timer(tick):add(0.001)
  else
    local timer = base:timer(once)
    timer:add(random() * 1000)
    timer:close()
  end
end
if mode == "periodic" then
  base:loopexit(3)
end
if mode ~= "cancel" then
  base:dispatch()
end
print(fired)
