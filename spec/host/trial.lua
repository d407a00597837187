--- What scripts share that memory.c runs with failing allocations: a main task
-- whose failures are told.

local libevent = require "libevent"

local trial = {}

--- What has failed; lack of memory explains the rest.
local failed

--- Notes that something has failed.
function trial.fail(message)
  message = tostring(message)
  if not failed or message:find "[Mm]emory" and not failed:find "[Mm]emory" then
    failed = message
  end
end

--- Returns the values, or raises what is said instead of them.
function trial.check(value, message, code, ...)
  if not value then
    error((message or "ended") .. (code == libevent.errno.ENOMEM
      and " (memory)" or ""), 0)
  end
  return value, message, code, ...
end

--- Raises unless both are the same.
function trial.same(expected, got)
  if expected ~= got then
    error(("%s expected, got %s"):format(expected, got), 2)
  end
end

--- Runs a function as the main task; gives it the base. It has to end by
-- itself; a limit is for what would wait longer than one wants to here.
---@param fn fun(base: libevent.event_base)
---@param seconds? number
function trial.run(fn, seconds)
  local base, why_not = libevent.event_base { avoid = { "select" } }
  if not base then
    error("memory: no base: " .. why_not)
  end
  local _ <close> = setmetatable({}, { __close = function()
    base:close()
  end })
  base:on_error(trial.fail)
  if seconds then
    local limit = base:timer(function()
      trial.fail "memory: it has to wait"
      base:loopbreak()
    end)
    limit:background()
    limit:add(seconds)
  end
  local ok, err = pcall(libevent.run, base, fn, base)
  if not ok then
    trial.fail(err)
  end
  if failed then
    error(failed, 0)
  end
end

return trial
