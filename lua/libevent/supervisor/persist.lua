--- Goes on though there may be no memory for a while.

local core = require "libevent.core"

local persist = {}

--- Waits, at least until others have run. Only a task can.
---@param seconds number
---@return boolean ok Whether there was the memory for it.
function persist.pause(seconds)
  return (core.pcall(core.sleep, seconds)) or (core.pcall(core.sleep, 0))
end

--- Calls a function until it raises nothing. Raises what it does where there is
-- not even memory to wait: that is for good. Only a task can.
---@param seconds number Between two calls.
---@param fn function
---@param ... any Its arguments.
function persist.insist(seconds, fn, ...)
  local ok, err = core.pcall(fn, ...)
  while not ok do
    if not persist.pause(seconds) then
      error(err, 0)
    end
    ok, err = core.pcall(fn, ...)
  end
end

return persist
