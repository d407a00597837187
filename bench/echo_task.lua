-- An echo server with a task for each connection, for a load generator.
--
--   lua5.4 bench/echo_task.lua PORT

local libevent = require "libevent"

local function serve(stream)
  local _ <close> = stream
  while true do
    local data = stream:read()
    if not data or not stream:write(data) then
      return
    end
  end
end

libevent.run(function()
  local base = libevent.base()
  assert(base:listener("127.0.0.1:" .. arg[1], nil, function(_, socket)
    base:task(serve, base:stream(socket))
  end))
end)
