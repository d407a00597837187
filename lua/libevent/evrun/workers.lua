--- What `evrun ctl` and `evrun top` say of a service and its workers, as
-- @{supervisor:status} returns them.

local layout = require "libevent.repl.layout"
local units = require "libevent.evrun.units"

local workers = {}

--- The first line of a service, without its end.
---@param status table
---@return string text
function workers.head(status)
  return ("%s (process %d)  %s  up %s  reloads %d"):format(
    layout.plain(status.name or "?"), status.pid, status.state,
    units.age(status.age), status.reloads)
end

--- What a worker does, and when it will be started again if it is not there.
---@param worker table
---@return string text
function workers.state(worker)
  local text = worker.state
  if worker.next_attempt then
    text = ("%s (%.1f s)"):format(text, worker.next_attempt)
  elseif worker.leaving > 0 then
    text = ("%s (+%d)"):format(text, worker.leaving)
  end
  return text
end

return workers
