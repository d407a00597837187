--- Semaphores: only so many at once.
-- @within libevent

local line = require "libevent.line"

local semaphore = {}

local ETIMEDOUT = line.ETIMEDOUT

--- A number of permits that tasks acquire and release.
--
-- Tasks that wait are served in the order they came; nobody who comes later can
-- take a permit that was handed to one of them. If that task is ended before it
-- runs, the permit goes to the next.
---@class libevent.semaphore
local Semaphore = { __name = "libevent.semaphore" }
Semaphore.__index = Semaphore

--- What `acquire` returns: releases when its block ends.
local Permit = { __name = "libevent.permit" }

function Permit:__close()
  self.semaphore:release()
end

local function check(n, least, name)
  if math.type(n) ~= "integer" or n < least then
    error(("bad argument #1 to '%s' (%s)"):format(name,
      math.type(n) and ("integer from %d on expected"):format(least)
      or "integer expected, got " .. type(n)), 3)
  end
end

--- Creates a semaphore; neither a loop nor a task is needed for that.
---@param n integer How many permits there are at first, from 0.
---@return libevent.semaphore semaphore
function semaphore.semaphore(n)
  check(n, 0, "semaphore")
  local self = setmetatable({
    permits = n,
    takers = line.new "semaphore acquire",
  }, Semaphore)
  self.permit = setmetatable({ semaphore = self }, Permit)
  return self
end

--- Takes a permit; a task waits while there is none.
--
-- Either call `release` afterwards, or let a block do that:
-- `local permit <close> = semaphore:acquire()`.
---@param timeout? number Seconds; with 0 it never waits, so that callbacks can
-- acquire, too.
---@return table? permit Releases at the end of its block, as a `<close>`
-- variable; nil if the time is over, which such a variable may be.
---@return string? message `"timed out"`
---@return integer? code `ETIMEDOUT`
function Semaphore:acquire(timeout)
  local takers = self.takers
  if timeout ~= nil then
    line.check(timeout, 1, "acquire")
  end
  if takers.handed > 0 then
    self.permits = self.permits + takers:settle()
  end
  if self.permits > 0 then
    self.permits = self.permits - 1
    return self.permit
  elseif timeout == 0 then
    return nil, "timed out", ETIMEDOUT
  end
  local ok, message, code = takers:wait(timeout)
  if ok == nil then
    return nil, message, code
  end
  return self.permit
end

--- Gives permits back, or adds some: there is no upper limit.
---@param n? integer How many; 1 by default.
function Semaphore:release(n)
  local takers = self.takers
  if n == nil then
    n = 1
  else
    check(n, 0, "release")
  end
  if takers.busy then
    n = n - takers:serve(n)
  end
  self.permits = self.permits + n
end

--- Returns how many permits can be acquired now.
---@return integer count
function Semaphore:count()
  if self.takers.handed > 0 then
    self.permits = self.permits + self.takers:settle()
  end
  return self.permits
end

function Semaphore:__tostring()
  return ("libevent.semaphore: %p %d left, %d wait"):format(self, self:count(),
    self.takers:waiting())
end

return semaphore
