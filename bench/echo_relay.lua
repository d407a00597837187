-- An echo server whose bytes never come into Lua, for a load generator.
--
--   lua5.4 bench/echo_relay.lua PORT

local libevent = require "libevent"

local function serve(stream)
  stream:relay(stream)
  stream:close()
end

libevent.run(function()
  local base = libevent.base()
  assert(base:listener("127.0.0.1:" .. arg[1], nil, function(_, socket)
    base:task(serve, base:stream(socket))
  end))
end)
