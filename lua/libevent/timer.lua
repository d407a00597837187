--- Time in tasks: what is called once, or again and again.
-- @within libevent

local core = require "libevent.core"
local options = require "libevent.options"
local task = require "libevent.task"

local timer = {}

local is_seconds = options.is_seconds

local function check(name, good, expected, value)
  if not good then
    error(("bad argument #1 to '%s' (%s expected, got %s)"):format(name,
      expected, type(value) == "number" and value or type(value)), 3)
  end
end

--- Calls a function after some time, in a task of its own.
---@param seconds number From 0 to 1e9.
---@param fn function
---@param ... any Its arguments.
---@return libevent.timer timer That can be deleted, to call nothing.
function timer.after(seconds, fn, ...)
  check("after", is_seconds(seconds), "seconds from 0 to 1e9", seconds)
  options.check("after", 2, "function", fn)
  local base, arguments = task.base(), table.pack(...)
  local self = base:timer(function()
    base:task(fn, table.unpack(arguments, 1, arguments.n))
  end)
  self:add(seconds)
  return self
end

--- Seconds that no clock tells apart; with less the numbers of moments would be
-- no integers any more.
local least = 1e-9

--- Counts the moments that have come; those nobody waited for are left out.
local function ticks(seconds)
  seconds = math.max(seconds, least)
  local start, n = core.evutil.gettime_monotonic(), 0
  return function()
    local now = core.evutil.gettime_monotonic()
    n = math.max(n + 1, math.floor((now - start) / seconds))
    core.sleep(math.max(0, start + n * seconds - now))
    return n
  end
end

--- Calls a function again and again, each time in a task of its own; while one
-- call goes on there is no other. Without a function it is an iterator for one
-- task: `for n in libevent.every(1) do` waits each time for the next moment.
---@param seconds number More than 0, to 1e9.
---@param fn? fun(timer: libevent.timer)
---@return libevent.timer|fun(): integer timer That can be deleted, to end it;
-- the iterator gives the number of the moment, without those that were missed.
function timer.every(seconds, fn)
  check("every", is_seconds(seconds) and seconds > 0,
    "seconds above 0, to 1e9", seconds)
  if fn == nil then
    return ticks(seconds)
  end
  options.check("every", 2, "function", fn)
  local base, call = task.base(), nil
  local self = base:timer(function(self)
    self:add(seconds)
    if not call or call:is_closed() or call:is_done() then
      call = base:task(fn, self)
    end
  end)
  self:add(seconds)
  return self
end

return timer
