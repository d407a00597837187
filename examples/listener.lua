-- The connection listener: each connection gets a bufferevent, whose callbacks
-- send back what comes.
--
--   lua5.4 examples/listener.lua 127.0.0.1:9995
--   nc -N 127.0.0.1 9995
--
-- Ctrl-C ends it: what a peer has sent still gets its answer.

local libevent = require "libevent"

io.stdout:setvbuf "line"

local base = assert(libevent.event_base())
local connections = {}

local function close(bev)
  connections[bev] = nil
  bev:close()
end

local callbacks = {
  read = function(bev)
    bev:write(bev:read())
  end,
  event = close,
}

local listener = assert(base:listener(arg and arg[1] or "127.0.0.1:9995", nil,
  function(_, socket)
    local bev = base:bufferevent(socket) -- owns the connection from here on
    connections[bev] = true
    bev:setcb(callbacks)
    bev:enable "r"
  end))

listener:set_error_cb(function(_, message)
  io.stderr:write(message, "\n")
end)

local signals = {}
for _, name in ipairs { "INT", "TERM" } do
  signals[name] = base:signal(name, function()
    listener:close()
    for _, signal in pairs(signals) do
      signal:close()
    end
    for bev in pairs(connections) do
      close(bev)
    end
  end)
  assert(signals[name]:add())
end

print("listening on " .. listener:getsockname())
base:dispatch()                          -- until nothing is left to do
