--- Futures: a result that comes later.
-- @within libevent

local core = require "libevent.core"
local line = require "libevent.line"

local future = {}

local ECANCELED, ETIMEDOUT = line.ECANCELED, line.ETIMEDOUT

--- A place for values, or an error, that somebody will put there once, and that
-- any number of tasks can wait for.
---@class libevent.future
local Future = { __name = "libevent.future" }
Future.__index = Future

--- Creates a future; neither a loop nor a task is needed for that.
---@return libevent.future future
function future.future()
  return setmetatable({
    state = "open", -- or "set", "failed", "closed"
    values = false,
    condition = false, -- made for the first who waits
  }, Future)
end

--- Ends the wait of all; what they get is in `values`.
local function settle(self, state, values)
  self.state, self.values = state, values
  if self.condition then
    self.condition:broadcast()
    self.condition = false
  end
end

local function provide(self, state, ...)
  if self.state == "closed" then
    return nil, "closed", ECANCELED
  elseif self.state ~= "open" then
    error("the future has its result already", 2)
  end
  settle(self, state, table.pack(...))
  return true
end

--- Puts the values there, for all who wait and will wait. Doing that twice, or
-- after `fail`, raises.
---@param ... any
---@return boolean? ok nil if it was closed: nobody wants them.
---@return string? message `"closed"`
---@return integer? code `ECANCELED`
function Future:set(...)
  return provide(self, "set", ...)
end

--- Puts an error there, which is raised in all who wait and will wait. Where
-- nobody does, nobody is told of it.
---@param err any The very same value is raised.
---@return boolean? ok nil if it was closed.
---@return string? message `"closed"`
---@return integer? code `ECANCELED`
function Future:fail(err)
  return provide(self, "failed", err)
end

--- What a wait gives once it is over.
local function outcome(self)
  if self.state == "closed" then
    return nil, "closed", ECANCELED
  elseif self.state == "failed" then
    error(self.values[1], 0)
  end
  return table.unpack(self.values, 1, self.values.n)
end

--- Waits for the values; raises the error if it fails.
---@param timeout? number Seconds; with 0 it never waits, so that callbacks can
-- ask, too.
---@return any ... The values; nil if the time is over or it was closed.
---@return string? message `"timed out"` or `"closed"`
---@return integer? code `ETIMEDOUT` or `ECANCELED`
function Future:wait(timeout)
  if timeout ~= nil then
    line.check(timeout, 1, "wait")
  end
  if self.state ~= "open" then
    return outcome(self)
  elseif timeout == 0 then
    return nil, "timed out", ETIMEDOUT
  end
  self.condition = self.condition or core.condition "future wait"
  local ok, message, code = self.condition:wait(timeout)
  if not ok then
    return nil, message, code
  end
  return outcome(self)
end

--- Gives it up: who waits gets `nil, "closed"`, and `set` and `fail` do nothing
-- any more. No effect where it has its result. A future in a `<close>` variable
-- is closed with it.
function Future:close()
  if self.state == "open" then
    settle(self, "closed", false)
  end
end

Future.__close = Future.close

--- Tells whether a wait is over at once: it has its result, or was closed.
---@return boolean done
function Future:is_done()
  return self.state ~= "open"
end

function Future:__tostring()
  return ("libevent.future: %p %s, %d wait"):format(self, self.state,
    self.condition and self.condition:waiting() or 0)
end

return future
