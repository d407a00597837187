--- Queues: what some tasks put in, others get out, in the same order.
-- @within libevent

local line = require "libevent.line"

local queue = {}

local ECANCELED, ETIMEDOUT = line.ECANCELED, line.ETIMEDOUT

--- Values in the order they came, between tasks, and callbacks, too.
--
-- Tasks that wait are served in the order they came. A value that was handed to
-- a task which is ended before it runs goes to the next that waits, or back to
-- the front of the queue.
---@class libevent.queue
local Queue = { __name = "libevent.queue" }
Queue.__index = Queue

--- Creates a queue; neither a loop nor a task is needed for that.
---@param limit? integer How many values it holds before `put` waits: 1 or more;
-- without it any number.
---@return libevent.queue queue
function queue.queue(limit)
  if limit ~= nil and (math.type(limit) ~= "integer" or limit < 1) then
    error(("bad argument #1 to 'queue' (%s)"):format(
      math.type(limit) and "integer from 1 on expected"
      or "integer expected, got " .. type(limit)), 2)
  end
  return setmetatable({
    items = {}, -- from first to last
    first = 1,
    last = 0,
    handed = { first = 1, last = 0 }, -- to getters that have not run yet
    getters = line.new "queue get",
    putters = line.new "queue put", -- what is handed to them are places
    maximum = limit or math.huge,
    closed = false,
  }, Queue)
end

--- Takes back what was handed to tasks that are no more.
local function settle(self)
  local handed = self.handed
  for _ = 1, self.getters:settle() do
    self.first = self.first - 1
    self.items[self.first] = handed[handed.last]
    handed[handed.last] = nil
    handed.last = handed.last - 1
  end
end

--- Hands the free places to those who wait to put.
local function admit(self)
  local putters = self.putters
  local free = self.maximum - (self.last - self.first + 1) - putters.handed
  if free > 0 then
    putters:serve(free)
  end
end

--- Hands a value to the first who waits for one; false if nobody does. What may
-- fail for lack of memory comes first.
local function hand(self, value)
  local handed = self.handed
  local last = handed.last + 1
  handed[last] = value
  if self.getters:serve(1) == 0 then
    handed[last] = nil
    return false
  end
  handed.last = last
  return true
end

--- Takes what was handed to the task that runs.
local function take(self)
  local handed = self.handed
  local first = handed.first
  local value = handed[first]
  handed[first] = nil
  if first == handed.last then
    handed.first, handed.last = 1, 0
  else
    handed.first = first + 1
  end
  return value
end

--- Hands a value to the first who waits for one, or keeps it.
local function deliver(self, value)
  if not self.getters.busy or not hand(self, value) then
    local last = self.last + 1
    self.items[last] = value
    self.last = last
  end
end

--- Waits until there is a place that nobody who came before waits for.
local function wait_for_place(self, timeout)
  local putters = self.putters
  if putters.handed > 0 then
    putters:settle()
  end
  if putters.handed == 0 and self.last - self.first + 1 < self.maximum then
    return true
  elseif timeout == 0 then
    return nil, "timed out", ETIMEDOUT
  end
  local ok, message, code = putters:wait(timeout)
  if ok == nil then
    return nil, message, code
  elseif self.closed then
    return nil, "closed", ECANCELED
  end
  return true
end

--- Puts a value in; a task waits while the queue is full.
---@param value any Not nil.
---@param timeout? number Seconds; with 0 it never waits, so that callbacks can
-- put, too.
---@return boolean? ok
---@return string? message `"timed out"`, or `"closed"` where the queue is.
---@return integer? code `ETIMEDOUT` or `ECANCELED`
function Queue:put(value, timeout)
  if value == nil then
    error("bad argument #1 to 'put' (value expected)", 2)
  elseif timeout ~= nil then
    line.check(timeout, 2, "put")
  end
  if self.closed then
    return nil, "closed", ECANCELED
  elseif self.last - self.first + 1 >= self.maximum
      or self.putters.handed > 0 then
    local ok, message, code = wait_for_place(self, timeout)
    if not ok then
      return nil, message, code
    end
    deliver(self, value)
    if self.putters.busy then
      admit(self) -- who came meanwhile, though there was room for more
    end
    return true
  end
  deliver(self, value)
  return true
end

--- Takes the oldest value out; a task waits for one while there is none.
---@param timeout? number Seconds; with 0 it never waits, so that callbacks can
-- get, too.
---@return any value nil if the time is over, or the queue closed and empty.
---@return string? message `"timed out"` or `"closed"`
---@return integer? code `ETIMEDOUT` or `ECANCELED`
function Queue:get(timeout)
  if timeout ~= nil then
    line.check(timeout, 1, "get")
  end
  local getters = self.getters
  if getters.handed > 0 then
    settle(self)
  end
  local first, last = self.first, self.last
  if first <= last then
    local items = self.items
    local value = items[first]
    items[first] = nil
    if first == last then
      self.first, self.last = 1, 0
    else
      self.first = first + 1
    end
    if self.putters.busy then
      admit(self)
    end
    return value
  elseif self.closed then
    return nil, "closed", ECANCELED
  elseif timeout == 0 then
    return nil, "timed out", ETIMEDOUT
  end
  local ok, message, code = getters:wait(timeout)
  if ok == nil then
    return nil, message, code
  elseif ok then
    return take(self)
  end
  return self:get(0)
end

--- Iterates over the values, taking them out, until the queue is closed and
-- empty: `for value in queue:values() do`.
---@return fun(): any next
function Queue:values()
  return function()
    return (self:get())
  end
end

--- Closes the queue: nothing can be put in any more, and tasks that wait for a
-- place, or for a value that will not come, get `nil, "closed"`. What is in it
-- can still be got. A queue in a `<close>` variable is closed with it.
function Queue:close()
  if not self.closed then
    self.closed = true
    self.getters:dismiss()
    self.putters:dismiss()
  end
end

Queue.__close = Queue.close

--- Tells whether the queue is closed.
---@return boolean closed
function Queue:is_closed()
  return self.closed
end

--- Returns how many values are in the queue; so does `#queue`.
---@return integer count
function Queue:count()
  if self.getters.handed > 0 then
    settle(self)
  end
  return self.last - self.first + 1
end

Queue.__len = Queue.count

--- Returns how many values the queue holds at most.
---@return integer? limit nil if there is none.
function Queue:limit()
  return self.maximum < math.huge and self.maximum or nil
end

function Queue:__tostring()
  return ("libevent.queue: %p %d of %s%s, %d wait to get, %d to put"):format(
    self, self:count(), self:limit() or "any number",
    self.closed and " closed" or "", self.getters:waiting(),
    self.putters:waiting())
end

return queue
