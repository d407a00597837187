-- An echo server on bufferevents, for a load generator.
--
--   lua5.4 bench/echo_bufferevent.lua PORT

local libevent = require "libevent"

local base = assert(libevent.event_base())

local callbacks = {
  read = function(bev)
    bev:write(bev:read())
  end,
  event = function(bev)
    bev:close "now"
  end,
}

assert(base:listener("127.0.0.1:" .. arg[1], nil, function(_, socket)
  local bev = base:bufferevent(socket)
  bev:setcb(callbacks)
  bev:enable "r"
end))

base:dispatch()
