--- How a service ends: servers accept no more, and their connections get some
-- time.

local log = require "libevent.log"
local server = require "libevent.server"

local ending = {}

--- Some of the connections that were cut, for the log.
local function told(cut)
  local list = {}
  for i, each in ipairs(cut) do
    list[i] = ("%s at %s"):format(each.peer or "?", each.where or "?")
  end
  return list
end

--- Watches both signals, or raises and watches neither; returns the one that
-- watches INT.
local function watch(base, came)
  local list = {}
  for i, name in ipairs { "TERM", "INT" } do
    list[i] = base:signal(name, came)
    list[i]:background()
    local ok, message = list[i]:add()
    if not ok then
      for _, each in ipairs(list) do
        each:close()
      end
      error(message, 0)
    end
  end
  list[2]:interrupts()
  return list[2]
end

--- Lets the loop of a base end when TERM or INT comes; a second signal ends it
-- at once. An INT stops Lua code that never returns.
---@param base libevent.event_base
---@param seconds number What connections get to end.
---@param on_begin fun() Called when the end begins.
---@return fun(reason: table) stop Does what a first signal does; takes fields
-- for the log.
---@return libevent.signal interrupt The one that watches INT.
function ending.on_signals(base, seconds, on_begin)
  local is_ending, has_come = false, false
  local function stop(reason)
    if is_ending then
      return
    end
    is_ending = true
    reason.seconds = seconds
    log.info("ends when its connections have", reason)
    on_begin()
    base:task(function()
      local n, cut = server.drain(base, seconds)
      if n > 0 then
        log.warn("connections were cut", { n = n, cut = told(cut) })
      end
      base:loopbreak()
    end):name "drain"
  end
  local function came(_, name)
    if has_come then
      log.warn("ends at once", { signal = name })
      base:loopbreak()
    end
    has_come = true
    stop { signal = name }
  end
  return stop, watch(base, came)
end

return ending
