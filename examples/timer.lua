-- The timer loop: a timer fires once, so its callback adds it again.
--
--   lua5.4 examples/timer.lua            every second, until Ctrl-C
--   lua5.4 examples/timer.lua 3 0.5      three times, every half second

local libevent = require "libevent"

local count = tonumber(arg and arg[1]) or math.huge
local interval = tonumber(arg and arg[2]) or 1.0

io.stdout:setvbuf "line"

local base = assert(libevent.event_base())

local timer = base:timer(function(timer)
  print "sub process!"
  count = count - 1
  if count > 0 then
    timer:add(interval)
  else
    base:loopexit()
  end
end)
timer:add(interval)

-- Without these two, a signal would end the process in the middle of its work.
for _, name in ipairs { "INT", "TERM" } do
  assert(base:signal(name, function()
    base:loopexit()
  end):add())
end

base:dispatch()
