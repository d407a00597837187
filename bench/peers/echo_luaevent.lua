-- An echo server on luaevent and LuaSocket, for a load generator.
--
--   lua5.4 bench/peers/echo_luaevent.lua PORT

local core = require "luaevent.core"
local socket = require "socket"

local base = core.new()
local READ, WRITE, LEAVE = core.EV_READ, core.EV_WRITE, core.LEAVE
local events = {}   -- luacheck: ignore 241 (an event nobody holds is collected)

--- Sends data; returns what the socket did not take.
local function send(client, data)
  local done, _, last = client:send(data)
  return not done and data:sub(last + 1) or nil
end

local function serve(client)
  local left
  events[client] = base:addevent(client, READ, function()
    if left then
      left = send(client, left)
      return left and WRITE or READ
    end
    local data, message, part = client:receive(65536)
    data = data or part
    if data and #data > 0 then
      left = send(client, data)
      return left and WRITE or READ
    elseif message ~= "timeout" then
      events[client] = nil
      client:close()
      return LEAVE
    end
  end)
end

local listener = assert(socket.tcp4())
listener:setoption("reuseaddr", true)
assert(listener:bind("127.0.0.1", tonumber(arg[1])))
assert(listener:listen(4096))
listener:settimeout(0)
events[listener] = base:addevent(listener, READ, function()
  for client in listener.accept, listener do
    client:settimeout(0)
    client:setoption("tcp-nodelay", true)
    serve(client)
  end
end)
base:loop()
