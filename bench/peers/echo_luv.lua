-- An echo server on luv, for a load generator.
--
--   lua5.4 bench/peers/echo_luv.lua write|try_write PORT
--
-- try_write makes a request only for what the socket did not take at once.

local uv = require "luv"

local try = arg[1] == "try_write"

local function echo(client, data)
  local n = try and client:try_write(data) or 0
  if n < #data then
    client:write(n == 0 and data or data:sub(n + 1))
  end
end

uv.new_signal():start("sigpipe", function() end)   -- deadly otherwise

local listener = uv.new_tcp()
assert(listener:bind("127.0.0.1", tonumber(arg[2])))
assert(listener:listen(4096, function()
  local client = uv.new_tcp()
  listener:accept(client)
  client:nodelay(true)
  client:read_start(function(_, data)
    if data then
      echo(client, data)
    else
      client:close()
    end
  end)
end))
uv.run()
