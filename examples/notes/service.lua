-- A timer loop and an echo: what each of ten processes does, on a port of its
-- own. A monitor puts another in the place of one that dies.
--
--   evrun serve --listen 127.0.0.1:9001-9010 examples/notes/service.lua
--   evrun examples/notes/service.lua         -- one alone, on port 9995

local libevent = require "libevent"
local base = libevent.base()

local timer = base:timer(function(timer)
  print "sub process!"
  timer:add(1.0)                            -- a timer fires once; add it again
end)
timer:add(1.0)

assert(base:listener(libevent.service.address "127.0.0.1:9995", nil,
  function(_, socket)
    local bev = base:bufferevent(socket)    -- owns the connection from here on
    bev:setcb {
      read = function()
        bev:write(bev:read())
      end,
      event = function()
        bev:close()
      end,
    }
    bev:enable "r"
  end))
