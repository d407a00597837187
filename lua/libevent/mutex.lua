--- Mutexes: one task at a time.
-- @within libevent

local core = require "libevent.core"
local line = require "libevent.line"

local mutex = {}

local running, thread = core.running, coroutine.running
local ETIMEDOUT = line.ETIMEDOUT

--- A lock that one task has at a time, for what it does in several steps and
-- waits between them. Where it does not wait, it needs none: tasks do not
-- interrupt each other.
--
-- Tasks that wait for it get it in the order they came. If the task that has it
-- ends without unlocking, the next one gets it, and is told `"abandoned"`.
---@class libevent.mutex
local Mutex = { __name = "libevent.mutex" }
Mutex.__index = Mutex

--- What `lock` returns: unlocks when its block ends, even where somebody else
-- closes the coroutine; no effect if it was unlocked before.
local Held = { __name = "libevent.held" }

--- Creates a mutex; neither a loop nor a task is needed for that.
---@return libevent.mutex mutex
function mutex.mutex()
  local self = setmetatable({
    task = false,      -- the one that has it
    coroutine = false, -- of that task
    watched = false,   -- the condition is held by that task
    takers = line.new "mutex lock",
  }, Mutex)
  self.held = setmetatable({ mutex = self }, Held)
  return self
end

local function take(self, task)
  self.task, self.coroutine = task, thread()
  self.watched = self.takers.busy and self.takers.condition:hold(task)
  return self.held
end

--- Whether a task must wait; if not, whether the mutex was abandoned.
local function is_taken(self)
  local takers = self.takers
  if takers.handed > 0 then
    takers:settle()
  end
  if takers.handed > 0 then
    return true
  elseif not self.task then
    return false, false
  end
  local condition = takers:open()
  self.watched = condition:hold(self.task)
  self.coroutine = self.watched and self.coroutine -- too late to unlock it
  return self.watched or condition:served() > 0, true
end

--- Locks it; waits while another task has it. Only a task can. One that has
-- locked it already would wait for itself for ever: that raises.
--
-- `local held <close> = mutex:lock()` unlocks it at the end of the block,
-- however that ends.
---@param timeout? number Seconds; 0 never waits.
---@return table? held Unlocks at the end of its block, as a `<close>` variable;
-- nil if the time is over, which such a variable may be.
---@return string? message `"timed out"`; beside a lock `"abandoned"`, where the
-- task that had it ended without unlocking.
---@return integer? code `ETIMEDOUT`
function Mutex:lock(timeout)
  if timeout ~= nil then
    line.check(timeout, 1, "lock")
  end
  local task = running()
  if not task then
    error("only a task can lock a mutex", 2)
  elseif self.task == task then
    error("the task has locked this mutex already", 2)
  end
  local abandoned = false
  if self.task or self.takers.handed > 0 then
    local taken
    taken, abandoned = is_taken(self)
    if taken and timeout == 0 then
      return nil, "timed out", ETIMEDOUT
    elseif taken then
      local ok, message, code = self.takers:wait(timeout)
      if ok == nil then
        return nil, message, code
      end
      abandoned = not ok
    end
  end
  return take(self, task), abandoned and "abandoned" or nil
end

local function unlock(self)
  local takers = self.takers
  if self.watched and not takers.condition:unhold() then
    return -- the task has ended, and another was woken for that
  end
  self.task, self.coroutine, self.watched = false, false, false
  if takers.busy then
    takers:serve(1)
  end
end

--- Unlocks it: the task that waits longest gets it. Raises unless the task that
-- runs has locked it.
function Mutex:unlock()
  if self.coroutine ~= thread() then
    error("the task has not locked this mutex", 2)
  end
  unlock(self)
end

function Held:__close()
  if self.mutex.coroutine == thread() then
    unlock(self.mutex)
  end
end

--- Returns the task that has locked it.
---@return libevent.task? task nil if none has.
function Mutex:owner()
  return self.task or nil
end

function Mutex:__tostring()
  return ("libevent.mutex: %p %s, %d wait"):format(self,
    self.task and "locked by " .. (not self.task:is_closed()
    and self.task:name() or tostring(self.task)) or "unlocked",
    self.takers:waiting())
end

return mutex
