-- An echo server with a task for each connection.
--
--   lua5.4 examples/tasks/echo.lua [ADDRESS]

local libevent = require "libevent"

local function serve(stream, peer)
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
  local server = assert(libevent.serve(arg[1] or "127.0.0.1:9995", serve))
  print("listening on " .. server:getsockname())
  io.stdout:flush()
  libevent.signal("TERM", function()
    server:drain(5)
    os.exit(0)
  end)
end)
