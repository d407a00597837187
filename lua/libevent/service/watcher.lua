--- Whoever started this process and watches it: a monitor, at the other end of
-- the channel `EVRUN_CHANNEL`, or systemd, at the socket `NOTIFY_SOCKET`. Both
-- are told the same words, those of sd_notify(3).

local core = require "libevent.core"
local inherited = require "libevent.service.inherited"
local status = require "libevent.console.status"

local watcher = {}

--- Bytes that a monitor which does not read may leave unsent.
local most_unsent = 64 * 1024

--- Seconds between two signs of life, at most, so that a monitor knows what its
-- workers do.
local often = 1

--- How many times as long as a monitor waits this process may be silent until
-- the system ends it: the monitor comes first, if it is still there.
local patience = 3

--- Made by `watcher.find`.
---@class libevent.service.watcher
local Watcher = {}
Watcher.__index = Watcher

--- The end of the channel; it is nobody else's.
local function open(base, fd, on_end)
  local socket, message = core.socket(fd)
  if not socket then
    return nil, message
  end
  local channel = base:stream(socket)
  channel:background()
  assert(channel:setcb {
    read = function() end,
    event = function()
      channel:close "now"
      status.set_apart(-1)
      on_end()
    end,
  })
  assert(channel:enable())
  status.set_apart(1)
  return channel
end

--- Tells something; nobody may listen.
---@param text string `NAME=value`, in one line.
---@param is_due? boolean Whether it has to come, however much is unsent.
function Watcher:tell(text, is_due)
  local channel = self.channel
  if not channel then
    return core.notify(text)
  elseif not channel:is_closed()
      and (is_due or select(2, channel:pending()) < most_unsent) then
    channel:write(text, "\n")
  end
end

--- Returns after how many seconds without a sign of life this process is taken
-- for dead; nil if nobody looks.
local function limit(is_monitor)
  local meant = os.getenv "WATCHDOG_PID"
  if not is_monitor and meant and tonumber(meant) ~= core.posix.getpid() then
    return nil
  end
  local microseconds = tonumber(os.getenv "WATCHDOG_USEC")
  return microseconds and microseconds > 0 and microseconds / 1e6 or nil
end

--- What is counted, as one line.
local function counters(base, late)
  local numbers, counts = base:num_objects(), base:counters()
  return ("X_COUNTERS=connections=%d tasks=%d accepts=%d errors=%d "
    .. "bytes_read=%d bytes_written=%d lua=%d late=%.3f"):format(
    (numbers.stream or 0) + (numbers.bufferevent or 0) - 1, counts.tasks,
    counts.accepts, counts.errors, counts.bytes_read, counts.bytes_written,
    collectgarbage "count" * 1024, late)
end

--- Lets the system end this process after so many seconds, unless that is put
-- off: if it hangs, nobody else may be left who would.
local function put_off(self, seconds)
  if self.channel and seconds then
    core.posix.alarm(patience * seconds)
  end
end

--- Gives signs of life from here on, from the loop.
local function beat(self, every)
  local due = self.base:now() + every
  self.pulse = self.base:timer(function(timer)
    local now = self.base:now()
    if self.channel then
      self:tell(counters(self.base, math.max(0, now - due)))
    end
    self:tell "WATCHDOG=1"
    if self.is_guarded then
      put_off(self, self.limit)
    end
    due = now + every
    timer:add(every)
  end)
  self.pulse:background()
  self.pulse:add(every)
end

--- Notes that the program is not starting any more: from here on it hangs where
-- it gives no sign of life.
function Watcher:guard()
  self.is_guarded = true
  put_off(self, self.limit)
end

--- Finds out who watches this process, and gives signs of life.
---@param base libevent.event_base
---@param on_end fun() Called when the monitor has ended.
---@return libevent.service.watcher? watcher
---@return string? message nil if nobody does.
function watcher.find(base, on_end)
  local self = setmetatable({ base = base }, Watcher)
  local fd = inherited.number "EVRUN_CHANNEL"
  if fd then
    local message
    self.channel, message = open(base, fd, on_end)
    if not self.channel then
      return nil, message
    end
  elseif not os.getenv "NOTIFY_SOCKET" then
    return nil
  end
  local seconds = limit(fd ~= nil)
  if seconds then
    self.limit = seconds
    put_off(self, tonumber(os.getenv "EVRUN_START"))
    beat(self, fd and math.min(often, seconds / 4) or seconds / 2)
  end
  return self
end

return watcher
