-- Signals: a long-running program that reports, reloads and ends on request.
--
--   lua5.4 examples/signals.lua &
--   kill -USR1 $!; kill -HUP $!; kill -TERM $!

local libevent = require "libevent"

io.stdout:setvbuf "line"

local base = assert(libevent.event_base())
local started = base:now()
local reloads = 0

local function on(name, callback)
  assert(base:signal(name, callback):add())
end

on("USR1", function(_, name)
  print(("%s: up for %.1f s"):format(name, base:now() - started))
end)

on("HUP", function(_, name)
  reloads = reloads + 1
  print(("%s: reload %d"):format(name, reloads))
end)

for _, name in ipairs { "INT", "TERM" } do
  on(name, function()
    print(name .. ": the end")
    base:loopexit()
  end)
end

print "ready"
base:dispatch()
