--- Standard error of a monitor and its workers, without ever waiting for who
-- reads it: what cannot be written soon is counted and left out.

local core = require "libevent.core"
local log = require "libevent.log"

local output = {}

--- Bytes that may wait, and those that are written at once.
local most_waiting, piece = 1024 * 1024, 4096

--- Seconds that the end waits for a reader.
local patience = 1

--- Made by `output.new`.
---@class libevent.supervisor.output
local Output = {}
Output.__index = Output

--- Makes one.
---@param base libevent.event_base
---@param file file*
---@return libevent.supervisor.output
function output.new(base, file)
  return setmetatable({ base = base, file = file, queue = {}, size = 0,
    dropped = 0, pumping = false }, Output)
end

--- What waits, and how much was left out.
local function take(self)
  if self.dropped > 0 then
    table.insert(self.queue, log.render { level = "warn",
      time = core.evutil.gettimeofday(), message = "output was left out",
      fields = { bytes = self.dropped } } .. "\n")
    self.dropped = 0
  end
  local text = table.concat(self.queue)
  self.queue, self.size = {}, 0
  return text
end

--- Writes a text, as room comes; what cannot be written at all is lost.
local function write(self, room, text)
  local at = 1
  while at <= #text do
    local n, _, code = core.posix.put(self.file, text:sub(at, at + piece - 1))
    at = at + (n or 0)
    if code and not (code == core.errno.EAGAIN and room) then
      return
    elseif code then
      room:wait()
    end
  end
end

--- Writes what waits.
local function pump(self)
  local room <close> = self.base:event(self.file, "w") -- nil for a file
  while #self.queue > 0 do
    write(self, room, take(self))
  end
  self.pumping = false
end

--- Writes lines, later.
---@param text string Whole lines.
function Output:write(text)
  if self.size + #text > most_waiting then
    self.dropped = self.dropped + #text
    return
  end
  table.insert(self.queue, text)
  self.size = self.size + #text
  if not self.pumping and not self.base:is_closed() then
    self.pumping = true
    self.task = self.base:task(pump, self)
    self.task:name "output"
  end
end

--- Waits until all is written, for a moment. Only a task can.
function Output:flush()
  if self.pumping then
    core.timeout(patience, function()
      self.task:wait()
    end)
  end
end

--- Lets the lines of the log go there, until it is closed.
---@return table guard For a <close> variable.
function Output:capture_log()
  local before = log.output(function(_, record)
    self:write(log.render(record) .. "\n")
  end)
  return setmetatable({}, { __close = function()
    log.output(before)
    log.flush()
  end })
end

return output
