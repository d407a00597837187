--- Connections of others, accepted in a task.
-- @within libevent

local core = require "libevent.core"
local options = require "libevent.options"
local task = require "libevent.task"

local listen = {}

--- Those that were made.
local acceptors = setmetatable({}, { __mode = "k" })

--- Listeners that go on while a program drains.
local spared = setmetatable({}, { __mode = "k" })

--- How many drains of a base go on.
local draining = setmetatable({}, { __mode = "k" })

--- Accepts connections when a task asks for one, so that whoever is slow to ask
-- accepts no more than it can serve. Made by @{libevent.listen}; closing it
-- wakes the task that waits.
---@class libevent.acceptor
local Acceptor = { __name = "libevent.acceptor" }
Acceptor.__index = Acceptor

--- Waits for a connection. Only a task can.
---@param timeout? number Seconds.
---@return libevent.stream? stream
---@return string peer The address it came from; the message where the first is
-- nil: `"closed"`, `"timed out"` or why.
---@return integer? code An errno value.
function Acceptor:accept(timeout)
  if self.listener:is_closed() then
    return nil, "closed", core.errno.ECANCELED
  end
  local socket, peer, code = self.listener:accept(timeout)
  if not socket then
    return nil, peer, code
  end
  local stream, message
  stream, message, code = self.base:stream(socket, self.hand)
  if not stream then
    socket:close()
    return nil, message, code
  end
  return stream, peer
end

--- Iterates over connections, until this is closed.
---@return fun(): libevent.stream?, string next
function Acceptor:accepts()
  return function()
    return self:accept()
  end
end

--- Returns the address it listens to, with the port that the system chose.
---@return string? address
---@return string? message
---@return integer? code An errno value.
function Acceptor:getsockname()
  return self.listener:getsockname()
end

--- Returns the descriptor.
---@return integer fd
function Acceptor:fd()
  return self.listener:fd()
end

--- Stops listening; idempotent.
function Acceptor:close()
  self.listener:close()
end

Acceptor.__close = Acceptor.close

function Acceptor:__tostring()
  return "libevent.acceptor: " .. tostring(self.listener)
end

-- Makes a listener, also for `serve`, whose name errors tell; its base is that
-- of the running loop.
function listen.open(name, address, how, callback)
  local base = task.base()
  if draining[base] then
    return nil, "draining", core.errno.ECANCELED
  end
  if math.type(address) == "integer" then -- of an inherited descriptor
    local socket, message, code = core.socket(address)
    if not socket then
      return nil, message, code
    end
    address = socket
  elseif type(address) ~= "userdata" then
    options.address(name, address)
  end
  return base:listener(address, how, callback)
end

--- Listens to an address.
---@param address string|integer|libevent.socket Such as `"127.0.0.1:9995"`,
-- with port 0 for any that is free, or `"unix:/run/app.sock"`; the number of a
-- descriptor that is inherited, or a bound socket.
---@param given? table The options of @{event_base:listener} except
-- `disabled`, and of @{event_base:stream}.
---@return libevent.acceptor? acceptor
---@return string? message
---@return integer? code An errno value, such as `EADDRINUSE`; `ECANCELED` while
-- the base drains.
function listen.listen(address, given)
  local how, hand = options.deal("listen", 2, given, options.listener,
    options.stream)
  local listener, message, code = listen.open("listen", address, how)
  if not listener then
    return nil, message, code
  end
  local self = setmetatable({
    base = listener:base(), listener = listener, hand = hand,
  }, Acceptor)
  acceptors[self] = true
  return self
end

-- Lets a listener go on while its base drains.
function listen.spare(listener)
  spared[listener] = true
end

-- Whether one does.
function listen.is_spared(listener)
  return spared[listener] or false
end

-- The listeners of a base at which tasks accept.
function listen.listeners(base)
  local list = {}
  for self in pairs(acceptors) do
    if self.base == base and not self.listener:is_closed() then
      list[#list + 1] = self.listener
    end
  end
  return list
end

-- Notes that one more drain of a base goes on, or one less; returns how many.
function listen.drains(base, n)
  n = (draining[base] or 0) + n
  draining[base] = n > 0 and n or nil
  return n
end

return listen
