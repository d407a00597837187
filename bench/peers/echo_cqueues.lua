-- An echo server on cqueues, a coroutine for each connection, for a load
-- generator.
--
--   lua5.4 bench/peers/echo_cqueues.lua PORT

local cqueues = require "cqueues"
local socket = require "cqueues.socket"

local loop = cqueues.new()

local function serve(client)
  client:setmode("bn", "bn")
  client:onerror(function(_, _, code)
    return code
  end)
  local data = client:read(-65536)
  while data and client:write(data) do
    data = client:read(-65536)
  end
  client:close()
end

local listener = socket.listen {
  host = "127.0.0.1", port = tonumber(arg[1]), reuseaddr = true, nodelay = true,
}
listener:listen()
loop:wrap(function()
  for client in listener:clients() do
    loop:wrap(serve, client)
  end
end)
assert(loop:loop())
