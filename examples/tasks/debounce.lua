-- Signals that come in bursts: a service reloads once, when no more HUP has
-- come for a while, and ends on TERM.
--
--   lua5.4 examples/tasks/debounce.lua [SECONDS]

local libevent = require "libevent"

local quiet = tonumber(arg[1]) or 0.2

--- Calls a function with all that came in one burst, until the queue is closed.
local function debounce(queue, seconds, fn)
  for first in queue:values() do
    local burst = { first }
    local value, message
    repeat
      value, message = queue:get(seconds)
      burst[#burst + 1] = value
    until value == nil
    fn(burst, message)
  end
end

libevent.run(function()
  local base = libevent.base()
  local queue = libevent.queue()

  local hup = base:signal("HUP", function(_, name)
    queue:put(name, 0) -- a callback cannot wait, and need not
  end)
  local term = base:signal("TERM", function()
    queue:close()
  end)
  hup:add()
  term:add()
  print "ready"
  io.stdout:flush()

  debounce(queue, quiet, function(burst, why)
    print(("reload for %d signals, %s"):format(#burst, why))
    io.stdout:flush()
  end)
  hup:close() -- the loop has nothing to wait for any more
  term:close()
end)
