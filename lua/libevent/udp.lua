--- Sockets for datagrams.
-- @within libevent

local task = require "libevent.task"

local udp = {}

--- Creates a socket for datagrams on the base of the `run` that goes on. Wraps
-- `event_base:udp`.
---@param address? string|libevent.socket As for @{event_base:udp}.
---@param options? table As for @{event_base:udp}.
---@return libevent.udp? udp
---@return string? message
---@return integer? code An errno value.
function udp.udp(address, options)
  return task.base():udp(address, options)
end

return udp
