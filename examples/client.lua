-- A client: connects, sends what it reads from standard input, and prints what
-- comes back until the server ends the connection.
--
--   echo hello | lua5.4 examples/client.lua 127.0.0.1:9995

local libevent = require "libevent"

local address = arg and arg[1] or "127.0.0.1:9995"
local base = assert(libevent.event_base())
local bev = base:bufferevent()
local failure

bev:setcb {
  read = function()
    io.write(bev:read())
  end,
  event = function(_, what, _, message)
    if what == "connected" then
      bev:write(io.read "a")
      bev:shutdown "w"                   -- and goes on reading
    else
      failure = message                  -- nil at the end of the input
      bev:close()
    end
  end,
}
bev:enable "r"
assert(bev:connect(address))
base:dispatch()

if failure then
  io.stderr:write(address, ": ", failure, "\n")
  os.exit(1, true)
end
