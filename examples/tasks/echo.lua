-- An echo server with a task for each connection.
--
--   lua5.4 examples/tasks/echo.lua [ADDRESS]

local libevent = require "libevent"

local address = arg[1] or "127.0.0.1:9995"

local function serve(stream, peer)
  local _ <close> = stream
  for line in stream:lines("L", 300) do
    if not stream:write(line) then
      break
    end
  end
  local message = stream:error()
  if message then
    print(peer .. ": " .. message)
  end
end

libevent.run(function()
  local base = libevent.base()
  local listener = assert(base:listener(address, nil, function(_, socket, peer)
    libevent.spawn(serve, base:stream(socket), peer)
  end))
  print("listening on " .. listener:getsockname())
  io.stdout:flush()

  base:signal("TERM", function()
    base:loopexit()
  end):add()
end)
