-- Both in one process: the timer loop, and the connection listener whose
-- callback makes a bufferevent.
--
--   lua5.4 examples/service.lua 127.0.0.1:9995

local libevent = require "libevent"

io.stdout:setvbuf "line"

local base = assert(libevent.event_base())

local timer = base:timer(function(timer)
  print "sub process!"
  timer:add(1.0)                         -- a timer fires once; add it again
end)
timer:add(1.0)

local listener = assert(base:listener(arg and arg[1] or "127.0.0.1:9995", nil,
  function(_, socket, peer)
    print("connection from " .. peer)
    local bev = base:bufferevent(socket) -- owns the connection from here on
    bev:setcb {
      read = function() bev:write(bev:read()) end,
      event = function() bev:close() end,
    }
    bev:enable "r"
  end))

for _, name in ipairs { "INT", "TERM" } do
  assert(base:signal(name, function()
    base:loopexit()
  end):add())
end

print("listening on " .. listener:getsockname())
base:dispatch()
