--- Connections to others.
-- @within libevent

local core = require "libevent.core"
local options = require "libevent.options"
local task = require "libevent.task"

local connect = {}

--- Seconds that a connection may take, and between two attempts at a unix
-- socket that accepts no more at the moment.
local patience, pause = 10, 0.01

local kinds = { timeout = "seconds", bind = "string" }

--- A socket that begins to connect, and whether it is connected already.
local function begin(address, bind)
  while true do
    local socket, connected, code = core.socket_connect(address, bind)
    if socket or code ~= core.errno.EAGAIN then
      return socket, connected, code
    end
    core.sleep(pause)
  end
end

--- Waits until a socket has connected; returns whether it has, or why not.
local function finish(base, socket)
  local event <close>, message, code = base:event(socket, "w")
  if not event then
    return nil, message, code
  end
  local ready, why, number = event:wait()
  if not ready then
    return nil, why, number
  end
  return socket:connected()
end

local function attempt(base, address, bind, hand)
  local socket, connected, code = begin(address, bind)
  if not socket then
    return nil, connected, code
  end
  local closing <close> = socket -- unless the stream takes it over
  if not connected then
    local ok, message, number = finish(base, closing)
    if not ok then
      return nil, message, number
    end
  end
  return base:stream(socket, hand)
end

--- Connects to an address. Only a task can.
---@param address string Such as `"127.0.0.1:80"`, `"[::1]:80"` or
-- `"unix:/run/app.sock"`.
---@param given? table Any of:
-- - `timeout`: seconds, 10 by default;
-- - `bind`: string, the address of this side, with port 0 for any;
-- - `linger`, `max_line`, `max_all`: as for @{event_base:stream}.
---@return libevent.stream? stream
---@return string? message
---@return integer? code An errno value, such as `ECONNREFUSED`, or `ETIMEDOUT`.
function connect.connect(address, given)
  options.address("connect", address)
  local own, hand = options.deal("connect", 2, given, kinds, options.stream)
  return core.timeout(own.timeout or patience, attempt, task.base(), address,
    own.bind, hand)
end

return connect
