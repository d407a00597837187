--- What tasks stand in to be served first come, first served: the common part
-- of queues, semaphores and mutexes.
--
-- What one gets who waits is counted as handed over at once, so that nobody who
-- comes between can take it before the task runs. If the task is ended instead,
-- the condition wakes the next, and only where none waits is something left
-- over: `settle` tells how much.

local core = require "libevent.core"
local options = require "libevent.options"

local line = {
  ECANCELED = core.errno.ECANCELED,
  ETIMEDOUT = core.errno.ETIMEDOUT,
}

local Line = {}
Line.__index = Line

--- Makes a line that nobody stands in.
---@param name string What listings say of those who do.
function line.new(name)
  return setmetatable({
    name = name,
    condition = false, -- made for the first who waits
    busy = false,      -- false where surely nobody waits
    handed = 0,        -- to those who have not run yet
  }, Line)
end

--- Raises unless the argument `n` of the function `name`, which called this, is
-- a timeout.
function line.check(timeout, n, name)
  if not options.is_seconds(timeout) then
    error(("bad argument #%d to '%s' (%s)"):format(n, name,
      math.type(timeout) and "seconds from 0 to 1e9 expected"
      or "number expected, got " .. type(timeout)), 3)
  end
end

--- The condition of the line.
function Line:open()
  self.condition = self.condition or core.condition(self.name)
  return self.condition
end

--- Waits; returns nil, a message and a code, or whether something was handed
-- over.
function Line:wait(timeout)
  local condition = self.condition or self:open()
  self.busy = true
  local ok, message, code = condition:wait(timeout)
  if not ok then
    return nil, message, code
  elseif self.handed == 0 then
    return false
  end
  self.handed = self.handed - 1
  return true
end

--- Hands something over to each of the first `n` who wait; returns how many
-- there were.
function Line:serve(n)
  local served = self.condition:signal(n)
  self.handed = self.handed + served
  self.busy = served == n
  return served
end

--- Returns how many things that were handed over are nobody's.
function Line:settle()
  local served = self.condition:served()
  local left = self.handed - served
  if left > 0 then
    self.handed = served
    return left
  end
  return 0
end

--- Wakes all who wait, with nothing.
function Line:dismiss()
  if self.busy then
    self.condition:broadcast()
    self.busy = false
  end
end

--- Returns how many wait.
function Line:waiting()
  return self.condition and self.condition:waiting() or 0
end

return line
