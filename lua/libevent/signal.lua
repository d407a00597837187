--- Signals of the process in tasks.
-- @within libevent

local task = require "libevent.task"

local signal = {}

--- Watches signals until it is closed. Made by @{libevent.signal}.
---@class libevent.signals
local Signals = { __name = "libevent.signals" }
Signals.__index = Signals

--- Stops watching; what a signal does by default holds again. Idempotent.
function Signals:close()
  for _, one in ipairs(self.list) do
    one:close()
  end
  if self.came then
    self.came:close()
  end
end

Signals.__close = Signals.close

function Signals:__tostring()
  local names = {}
  for i, one in ipairs(self.list) do
    names[i] = one:is_closed() and "closed" or one:name()
  end
  return "libevent.signals: " .. table.concat(names, " ")
end

--- Begins to watch; nil, a message and a code where that is not possible.
local function watch(base, names, callback)
  local self = setmetatable({ list = {} }, Signals)
  for i = 1, names.n do
    self.list[i] = base:signal(names[i], callback)
  end
  for _, one in ipairs(self.list) do
    local ok, message, code = one:add()
    if not ok then
      self:close()
      return nil, message, code
    end
  end
  return self
end

--- What came, oldest first, each name once, until somebody asks.
local function iterate(base, names)
  local queue, came = {}, base:condition()
  local self, message, code = watch(base, names, function(_, name)
    for _, waiting in ipairs(queue) do
      if waiting == name then
        return
      end
    end
    queue[#queue + 1] = name
    came:signal()
  end)
  if not self then
    return nil, message, code
  end
  self.came = came
  return function()
    while #queue == 0 do
      if came:is_closed() or not came:wait() then
        return nil
      end
    end
    return table.remove(queue, 1)
  end, nil, nil, self
end

--- Calls a function when the process gets a signal, each time in a task of its
-- own. Without a function it is an iterator for one task: `for name in
-- libevent.signal("HUP", "TERM") do` watches the signals while the loop of that
-- task goes on. Signals that are watched keep the loop running. Raises while
-- another base of the process watches signals.
---@param name string|integer As for @{event_base:signal}.
---@param ... string|integer|function More of them, and last
-- `fun(name: string)`.
---@return libevent.signals|fun()|nil signals To be closed; an iterator, with
-- the same as its fourth value, if there is no function.
---@return string? message
---@return integer? code An errno value, `EINVAL` for a signal that cannot be
-- caught.
function signal.signal(name, ...)
  local base, names = task.base(), table.pack(name, ...)
  local fn = names[names.n]
  if type(fn) ~= "function" then
    return iterate(base, names)
  end
  names.n = names.n - 1
  if names.n == 0 then
    error("bad argument #1 to 'signal' (name or number expected)", 2)
  end
  return watch(base, names, function(_, got)
    base:task(fn, got)
  end)
end

return signal
