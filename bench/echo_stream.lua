-- An echo server on streams, in callbacks, for a load generator.
--
--   lua5.4 bench/echo_stream.lua PORT

local libevent = require "libevent"

local base = assert(libevent.event_base())

local callbacks = {
  read = function(stream, data)
    stream:write(data)
  end,
  event = function(stream)
    stream:close "now"
  end,
}

assert(base:listener("127.0.0.1:" .. arg[1], nil, function(_, socket)
  base:stream(socket):setcb(callbacks)
end))

base:dispatch()
